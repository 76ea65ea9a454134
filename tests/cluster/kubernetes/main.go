// Command kubernetes is a Kubernetes control plane in one file: its first argument says which component to be.
//
// One binary, because the components share nearly all of their code: linked apart they are four times as large and take
// four times as long to link. With the build tag "node" it can be kubelet and kube-proxy, too; they need Linux and root.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// components has one entry for each thing that this binary can be; node.go adds to it.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) < 2 {
		usage("no component given")
	}
	// Each component reads os.Args itself, and names itself in its help by what stands first there.
	os.Args = os.Args[1:]
	name := os.Args[0]
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	command, known := components[name]
	if !known {
		usage(fmt.Sprintf("unknown component %q", name))
	}
	os.Exit(cli.Run(command()))
}

func usage(problem string) {
	names := append(slices.Sorted(maps.Keys(components)), "etcd")
	fmt.Fprintf(os.Stderr, "%s; usage: COMPONENT [flags], with one of: %s\n", problem, strings.Join(names, ", "))
	os.Exit(2)
}
