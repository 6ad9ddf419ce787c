package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/sentry"
)

const shownPorts = 4

// portsFree returns an error that names all ports in use by others.
func (m *mall) portsFree() error {
	want := map[int]string{}
	if m.needs("redis") && os.Getenv("MALL_REDIS_ADDR") == "" {
		want[m.at.RedisPort()] = "redis"
	}
	if m.needs("postgres") && os.Getenv("MALL_POSTGRES_URL") == "" {
		want[m.at.PostgresPort()] = "postgres"
	}
	if m.ownBroker() {
		for what, port := range m.newBroker(broker.Runtime{}).Ports() {
			want[port] = what
		}
	}
	if m.o.mtls && len(m.apps) > 0 {
		want[m.at.SentryPort()], want[m.at.SentryHealthPort()] = sentry.Name, "sentry's health check"
	}
	for _, a := range m.apps {
		for what, port := range a.Ports() {
			want[port] = a.Name() + " " + what
		}
	}
	var taken []string
	for port, who := range want {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			taken = append(taken, fmt.Sprintf("%d (%s)", port, who))
			continue
		}
		_ = l.Close()
	}
	if len(taken) == 0 {
		return nil
	}
	slices.Sort(taken)
	if more := len(taken) - shownPorts; more > 0 {
		taken = append(taken[:shownPorts], fmt.Sprintf("and %d more: by another mall, it seems", more))
	}
	return fmt.Errorf("these ports are in use: %s.\nStop the programs that use them, or choose other ports: "+
		"MALL_PORT_BASE=%d",
		strings.Join(taken, ", "), m.at.Base+1000)
}
