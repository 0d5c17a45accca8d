# What the node plugin needs of a NixOS machine. The plugin itself runs in a pod, brings its programs, and loads no module.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.rds-csi-node;
in
{
  options.services.rds-csi-node = {
    enable = lib.mkEnableOption "volumes of rds-csi on this machine: the NVMe/TCP initiator and file systems";

    fileSystems = lib.mkOption {
      type = lib.types.listOf (lib.types.enum [ "ext4" "xfs" ]);
      default = [ "ext4" "xfs" ];
      description = "File systems that volumes may have here. ext3 is mounted by ext4.";
    };

    stateDirectory = lib.mkOption {
      type = lib.types.path;
      default = "/var/lib/rds-csi";
      description = ''
        Where the plugin notes what is staged: `node.stateDir` of the chart. On a machine without a disk `/run/rds-csi`, as in
        manifests/overlays/nixos-diskless: it has to outlive the pod, and need not outlive a reboot.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    # It brings nvme-fabrics, and so /dev/nvme-fabrics, without which the plugin does not start.
    boot.kernelModules = [ "nvme-tcp" ];
    # The kernel's own multipath, with which the plugin was tested. On the command line, since on a machine that boots over
    # NVMe/TCP nvme_core is loaded before any file of /etc is read.
    boot.kernelParams = [ "nvme_core.multipath=Y" ];
    boot.supportedFilesystems = cfg.fileSystems;
    # For people who look at connections.
    environment.systemPackages = [ pkgs.nvme-cli ];
    systemd.tmpfiles.rules = [ "d ${cfg.stateDirectory} 0700 root root -" ];
  };
}
