export function mean<Report>(
  reports: readonly Report[],
  figure: (report: Report) => number,
): number {
  return reports.reduce((sum, report) => sum + figure(report), 0) / reports.length;
}
