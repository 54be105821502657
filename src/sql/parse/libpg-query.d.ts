// The emscripten module under the package's own wrapper, which keeps one instance for good.
declare module 'libpg-query/wasm/libpg-query.js' {
  export interface GrammarModule {
    readonly HEAPU8: Uint8Array;
    _malloc(size: number): number;
    _free(pointer: number): void;
    _wasm_parse_query_raw(text: number): number;
    _wasm_free_parse_result(result: number): void;
    lengthBytesUTF8(text: string): number;
    stringToUTF8(text: string, pointer: number, size: number): void;
    UTF8ToString(pointer: number): string;
    getValue(pointer: number, type: 'i32'): number;
  }
  export default function createModule(options: {
    print(line: string): void;
    printErr(line: string): void;
  }): Promise<GrammarModule>;
}
