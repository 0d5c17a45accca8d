import { Schema } from "effect"

/** There is no such volume on the appliance. Maps to `NOT_FOUND`. */
export class VolumeNotFound extends Schema.TaggedError<VolumeNotFound>()("VolumeNotFound", {
  volumeId: Schema.String
}) {
  override get message() {
    return `volume ${this.volumeId} does not exist on the appliance`
  }
}

/** What a volume is to be made of does not exist. Maps to `NOT_FOUND`. */
export class SourceNotFound extends Schema.TaggedError<SourceNotFound>()("SourceNotFound", {
  what: Schema.String
}) {
  override get message() {
    return `${this.what}, of which a volume is wanted, does not exist on the appliance`
  }
}

/** The volume is neither staged nor published at the path. Maps to `NOT_FOUND`. */
export class VolumeNotAtPath extends Schema.TaggedError<VolumeNotAtPath>()("VolumeNotAtPath", {
  volumeId: Schema.String,
  path: Schema.String
}) {
  override get message() {
    return `volume ${this.volumeId} is not staged or published at ${this.path} on this node`
  }
}

/** There is no such node in the cluster. Maps to `NOT_FOUND`. */
export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", {
  nodeId: Schema.String
}) {
  override get message() {
    return `node ${this.nodeId} is not known to the cluster`
  }
}

/** The name is taken by a volume that does not fit the request. Maps to `ALREADY_EXISTS`. */
export class VolumeIncompatible extends Schema.TaggedError<VolumeIncompatible>()("VolumeIncompatible", {
  message: Schema.String
}) {}

/** The call is valid, but the volume or node must change before it can succeed. Maps to `FAILED_PRECONDITION`. */
export class FailedPrecondition extends Schema.TaggedError<FailedPrecondition>()("FailedPrecondition", {
  message: Schema.String
}) {}

/** A `starting_token` that this driver did not hand out. Maps to `ABORTED` (CSI spec, ListVolumes errors). */
export class InvalidToken extends Schema.TaggedError<InvalidToken>()("InvalidToken", {
  token: Schema.String
}) {
  override get message() {
    return `starting_token "${this.token}" is not one of ours; list again without a token`
  }
}

/** The driver does not offer the RPC. Maps to `UNIMPLEMENTED`; the orchestrator must not retry. */
export class Unimplemented extends Schema.TaggedError<Unimplemented>()("Unimplemented", {
  method: Schema.String
}) {
  override get message() {
    return `${this.method} is not offered by this driver`
  }
}
