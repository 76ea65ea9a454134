// Command dns is CoreDNS with the few plugins that a cluster needs to find its Services.
//
// It is a module of its own: in one module with the control plane, the two ask for versions of the Kubernetes libraries
// that do not go together.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() { coremain.Run() }
