{
  description = "CSI driver for the MikroTik ROSE Data Server: Kubernetes volumes over NVMe/TCP";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      manifest = lib.importJSON ./package.json;

      # What nix/install-build-dependencies.sh leaves in node_modules. `npm run check -- flake` prints the new hashes
      # after package-lock.json has changed.
      dependencyHashes = {
        x86_64-linux = "sha256-VqFLh+bpSrwK3dbGHX+Zdlq32CRKD/QeWTWGFb5mNVY=";
        aarch64-linux = "sha256-mnH9YWP5ztSXS3qZ1+wq9WRKVLbyhUVNimYltjl3gPk=";
      };

      eachSystem = make: lib.mapAttrs (system: _: make nixpkgs.legacyPackages.${system}) dependencyHashes;

      # Programs that the node plugin runs.
      runtime = pkgs: [ pkgs.nvme-cli pkgs.e2fsprogs pkgs.xfsprogs pkgs.util-linux pkgs.coreutils pkgs.diffutils pkgs.gnugrep ];

      # A lock file without registry addresses is more than nixpkgs' own npm fetchers can read, so npm itself fetches.
      dependencies = pkgs: pkgs.stdenvNoCC.mkDerivation {
        pname = "${manifest.name}-dependencies";
        inherit (manifest) version;
        src = lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions [ ./package.json ./package-lock.json ];
        };
        nativeBuildInputs = [ pkgs.nodejs_24 pkgs.cacert ];
        NODE_EXTRA_CA_CERTS = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
        buildPhase = ''
          export HOME=$TMPDIR
          bash ${./nix/install-build-dependencies.sh}
        '';
        installPhase = "mv node_modules $out";
        dontFixup = true;
        outputHashMode = "recursive";
        outputHash = dependencyHashes.${pkgs.stdenv.hostPlatform.system};
      };

      package = pkgs: pkgs.stdenvNoCC.mkDerivation {
        pname = manifest.name;
        inherit (manifest) version;
        src = lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions [ ./package.json ./tsconfig.json ./rolldown.config.ts ./src ];
        };
        nativeBuildInputs = [ pkgs.nodejs_24 pkgs.makeWrapper ];
        RDS_CSI_COMMIT = self.shortRev or "uncommitted";
        buildPhase = ''
          cp --recursive ${dependencies pkgs} node_modules
          node node_modules/rolldown/bin/cli.mjs --config rolldown.config.ts
        '';
        installPhase = ''
          install -D --mode=644 --target-directory=$out/lib/rds-csi dist/*
          makeWrapper ${lib.getExe pkgs.nodejs_24} $out/bin/rds-csi \
            --add-flags $out/lib/rds-csi/rds-csi.js \
            --prefix PATH : ${lib.makeBinPath (runtime pkgs)}
        '';
        meta = {
          inherit (manifest) description;
          license = lib.licenses.asl20;
          mainProgram = "rds-csi";
          platforms = lib.attrNames dependencyHashes;
        };
      };
    in
    {
      packages = eachSystem (pkgs: { default = package pkgs; });

      # For the nodes of a cluster; docs/install.md.
      nixosModules.default = ./nix/node-module.nix;

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = runtime pkgs ++ [ pkgs.git pkgs.go pkgs.nodejs_24 pkgs.openssh pkgs.qemu ];
          # The shell's own Node.js serves here: the one on npm needs a loader that NixOS does not have.
          npm_config_ignore_scripts = "true";
        };
      });
    };
}
