/**
 * Points on which neither the RouterOS manual nor captures from devices give an answer. The first value of each is the
 * reading that is harder on a client and is the default; a client that is right under either reading is right on the device.
 */
export const unsurePoints = {
  longSlot: {
    values: ["cut", "keep"],
    meaning: "a slot of more than 32 characters, RouterOS 7.24 and newer, is cut without a word | kept whole"
  },
  existingFile: {
    values: ["refuse", "keep"],
    meaning: "/disk/add with file-size= on a file that exists fails | takes the file as it is"
  },
  missingDirectory: {
    values: ["refuse", "create"],
    meaning: "/disk/add, /file/add and /file/copy to a directory that does not exist fail | create it"
  },
  busyFile: {
    values: ["refuse", "remove"],
    meaning: "/file/remove of the file behind a disk item fails | removes it under the item"
  },
  duplicateNqn: {
    values: ["refuse", "allow"],
    meaning: "a second export with the same NQN fails | is accepted, and which of the two answers is open"
  },
  failedExport: {
    values: ["leave", "undo"],
    meaning: "/disk/add whose export fails leaves the item without export | leaves nothing"
  },
  asValueGaps: {
    values: ["alternate", "file-size", "size", "none"],
    meaning:
      "as-value rows of file disks lack file-size (odd ids) or size (even ids) | all lack file-size | all lack size | are complete"
  },
  asValueSizes: {
    values: ["number", "text"],
    meaning: "sizes in as-value rows are plain numbers | the text of print, as in 1 073 741 824 or 1024.0MiB"
  },
  parallelChannels: {
    values: ["stall", "serve"],
    meaning: "a second channel on one SSH connection stalls until the first is closed | is served at once"
  },
  tooManySessions: {
    values: ["refuse", "hang"],
    meaning: "SSH connections above max-sessions are closed | accepted and never answered"
  },
  lostConnection: {
    values: ["finish", "stop"],
    meaning: "a command whose SSH connection is lost runs to its end all the same | is stopped where it is"
  },
  longLine: {
    values: ["cut", "keep"],
    meaning: "an exec line is cut at 4096 characters | taken whole, whatever its length"
  },
  fileWrite: {
    values: ["write", "ftp"],
    meaning: "/file/remove and /file/add need the policy write | need the policy ftp as well"
  },
  fileContents: {
    values: ["get", "print"],
    meaning: "contents of files are answered by /file/get alone | by /file/print detail as-value as well"
  },
  scriptWrite: {
    values: ["write", "policy"],
    meaning: "/system/script/add, set and remove need the policy write | need the policy policy"
  },
  executeLostConnection: {
    values: ["finish", "stop"],
    meaning: "a job of :execute whose SSH connection is lost runs to its end all the same | is stopped where it is"
  },
  copyTarget: {
    values: ["grows", "appears"],
    meaning: "the target of /file/copy is there from the beginning and grows | is there when it is complete"
  },
  failedCopy: {
    values: ["leave", "undo"],
    meaning: "/file/copy that finds no more space leaves what it has copied | leaves nothing"
  },
  copiedExport: {
    values: ["copy", "refuse"],
    meaning: "/file/copy of an image that is exported copies what is written meanwhile or not, as it comes | fails"
  },
  btrfsDevices: {
    values: ["devs", "present-devs"],
    meaning: "the disks of a Btrfs file system are its property devs | present-devs; the other name is unknown"
  },
  subvolumeParent: {
    values: ["fullname", "name"],
    meaning: "parent= of /disk/btrfs/subvolume/add takes a subvolume's fullname | its name, the last part of the path"
  },
  readOnlyImage: {
    values: ["refuse", "allow"],
    meaning: "/disk/add of a file in a read-only subvolume fails | attaches it"
  },
  busySubvolume: {
    values: ["refuse", "remove"],
    meaning: "/disk/btrfs/subvolume/remove with a file of a disk item inside fails | removes the file under the item"
  },
  snapshottedSubvolume: {
    values: ["remove", "refuse"],
    meaning:
      "/disk/btrfs/subvolume/remove leaves the snapshots of the subvolume without parent | fails while there are any"
  }
} as const

export type UnsurePoint = keyof typeof unsurePoints

/** How this simulator reads each point. */
export type Unsure = { readonly [K in UnsurePoint]: (typeof unsurePoints)[K]["values"][number] }

/** The harder reading of every point. */
export const harshest: Unsure = {
  longSlot: "cut",
  existingFile: "refuse",
  missingDirectory: "refuse",
  busyFile: "refuse",
  duplicateNqn: "refuse",
  failedExport: "leave",
  asValueGaps: "alternate",
  asValueSizes: "number",
  parallelChannels: "stall",
  tooManySessions: "refuse",
  lostConnection: "finish",
  longLine: "cut",
  fileWrite: "write",
  fileContents: "get",
  scriptWrite: "write",
  executeLostConnection: "finish",
  copyTarget: "grows",
  failedCopy: "leave",
  copiedExport: "copy",
  btrfsDevices: "devs",
  subvolumeParent: "fullname",
  readOnlyImage: "refuse",
  busySubvolume: "refuse",
  snapshottedSubvolume: "remove"
}
