// Programs of the control plane in one binary, because they share most of what is compiled and linked: which of them it is,
// is told by the first argument.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/pkg/controller/volume/attachdetach"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "the first argument is etcd, kube-apiserver, kube-controller-manager or kubectl")
		os.Exit(2)
	}
	name := os.Args[1]
	// They read os.Args themselves, some of them while they build their command.
	os.Args = os.Args[1:]
	var command *cobra.Command
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		if err := shortenForceDetach(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		command = controllermanager.NewControllerManagerCommand()
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	default:
		fmt.Fprintf(os.Stderr, "there is no program %q in here\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}

// A node that does not answer is detached by force after six minutes, which no flag changes.
func shortenForceDetach() error {
	text, given := os.LookupEnv("FORCE_DETACH_AFTER")
	if !given {
		return nil
	}
	after, err := time.ParseDuration(text)
	if err == nil {
		attachdetach.DefaultTimerConfig.ReconcilerMaxWaitForUnmountDuration = after
	}
	return err
}
