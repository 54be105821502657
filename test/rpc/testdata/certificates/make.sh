#!/usr/bin/env bash
# Makes the certificates of this folder: for tests only, their keys are public. Run it in this folder.
set -euo pipefail
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
# make NAME DNS_NAME CA
make() {
  openssl req $new -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"
  openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 36500 -out "$1.crt" \
    -extfile <(printf 'subjectAltName=DNS:%s\n' "$2")
}
for ca in ca other-ca; do
  openssl req -x509 $new -keyout $ca.key -out $ca.crt -days 36500 -subj "/CN=Meridian test $ca"
done
make node-1 node-1 ca
make node-2 node-2 ca
make meridian-node meridian-node ca
make client alice ca
make foreign node-1 other-ca
rm -- *.csr *.srl ca.key other-ca.key
