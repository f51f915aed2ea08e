#!/bin/sh
# Writes the protocol's messages into ktstr-plugin-sysbench, from the .proto in
# the directory that is given (default: this repository's).
set -eu
cd "$(dirname "$0")"
protos=${1:-../../internal/wire}
set=$(mktemp)
trap 'rm -f "$set"' EXIT
protoc -I"$protos" --descriptor_set_out="$set" ktstr/plugin/v1/plugin.proto
/usr/bin/python3 - "$set" ktstr-plugin-sysbench <<'PYTHON'
import base64, re, sys
from google.protobuf import descriptor_pb2

files = descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read())
text = base64.encodebytes(files.file[0].SerializeToString(deterministic=True)).decode()
program = open(sys.argv[2]).read()
program = re.sub(r'(?<=\nPROTOCOL = """\n).*?(?="""\n)', lambda _: text, program, flags=re.S)
open(sys.argv[2], "w").write(program)
PYTHON
