{
  description = "As much of nixpkgs as this repository's flake.nix reads, so that it can be evaluated without a network";

  outputs = _:
    let
      programs = [
        "cacert"
        "coreutils"
        "diffutils"
        "e2fsprogs"
        "git"
        "gnugrep"
        "go"
        "makeWrapper"
        "nodejs_24"
        "nvme-cli"
        "openssh"
        "qemu"
        "util-linux"
        "xfsprogs"
      ];

      packages = system:
        let
          mkDerivation = { meta ? { }, ... }@arguments:
            derivation
              ({
                inherit system;
                name = "${arguments.pname}-${arguments.version}";
                builder = "/stub";
              } // removeAttrs arguments [ "meta" ]) // { inherit meta; };
        in
        builtins.listToAttrs
          (map (name: { inherit name; value = mkDerivation { inherit name; }; }) programs) // {
          mkShell = { packages, ... }@arguments:
            mkDerivation (removeAttrs arguments [ "packages" ] // { name = "shell"; nativeBuildInputs = packages; });
          stdenv.hostPlatform = { inherit system; };
          stdenvNoCC = { inherit mkDerivation; };
        };
    in
    {
      lib = {
        inherit (builtins) attrNames mapAttrs;
        fileset = {
          unions = paths: assert builtins.all builtins.pathExists paths; map toString paths;
          toSource = { root, fileset }:
            builtins.path {
              path = root;
              name = "source";
              filter = path: _: builtins.any (kept: builtins.substring 0 (builtins.stringLength kept) path == kept) fileset;
            };
        };
        getExe = program: "${program}/bin/${program.name}";
        importJSON = path: builtins.fromJSON (builtins.readFile path);
        licenses.asl20.spdxId = "Apache-2.0";
        makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
      };

      legacyPackages = builtins.listToAttrs
        (map (name: { inherit name; value = packages name; }) [ "aarch64-linux" "x86_64-linux" ]);
    };
}
