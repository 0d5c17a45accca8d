// A program: the least that a gRPC server on a unix socket can do, as the floor for RPCs that need nothing but this process.
// `node bench/EchoServer.ts <socket>` answers Probe with the bytes of its request.
import * as grpc from "@grpc/grpc-js"
import { Identity } from "../src/csi/gen/csi_pb.ts"
import { methodDefinition } from "../src/csi/GrpcService.ts"

const asIs = (bytes: Buffer) => bytes
const echo: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => callback(null, call.request)

const server = new grpc.Server()
server.register(methodDefinition(Identity.method.probe).path, echo, asIs, asIs, "unary")
server.bindAsync(`unix:${process.argv[2]}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error
})
