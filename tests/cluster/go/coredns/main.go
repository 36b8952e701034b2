// CoreDNS with only the plugins a cluster without the outside world needs.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

func main() {
	// The order is the order in which plugins see a request. There is no "forward": a name outside the cluster fails at once.
	dnsserver.Directives = []string{"reload", "health", "ready", "errors", "loop", "cache", "kubernetes"}
	coremain.Run()
}
