// Prints the fingerprint of csi.proto from a descriptor set on standard input. The file that the tests compare with is made
// from the official csi.proto:
//
//   go mod download -json github.com/container-storage-interface/spec@v1.12.0      # prints Dir
//   buf build "$DIR" --path "$DIR/csi.proto" -o - | node scripts/proto-fingerprint.ts > test/csi/official-csi-v1.12.0.txt
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf"
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"
import { buffer } from "node:stream/consumers"
import { fingerprint } from "../test/support/ProtoFingerprint.ts"

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await buffer(process.stdin)))
const file = registry.getFile("csi.proto")
if (file === undefined) throw new Error("there is no csi.proto in the descriptor set")
console.log(
  `# ${fingerprint(file).length} facts of csi.proto; scripts/proto-fingerprint.ts tells how to make this file again`
)
console.log(fingerprint(file).join("\n"))
