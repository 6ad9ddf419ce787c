package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/services/contracts"
)

// servers are the processes that keep data: they start first and stop last.
var servers = []string{"postgres", "redis", "kafka", "rocketmq", "rocketmq-names"}

// brokerWithin is how long the broker may take until every topic can be written to, also after a crash.
const brokerWithin = time.Minute

// ownBroker reports whether a broker is started here.
func (m *mall) ownBroker() bool {
	return m.o.broker != broker.Redis && os.Getenv(m.o.broker.Variable()) == "" && m.needs(string(m.o.broker))
}

func (m *mall) newBroker(runtime broker.Runtime) broker.Server {
	name := string(m.o.broker)
	return broker.New(m.o.broker, broker.Place{Runtime: runtime, Port: m.at.BrokerPort(), User: m.user,
		Dir: m.user.DataDir(m.at.Home, name, layout.Hash(m.at.Home))})
}

// startBroker starts Kafka or RocketMQ, or finds the one that the environment names. The sidecars come after it: one
// that starts without its topics exits on Kafka, and never consumes on RocketMQ.
func (m *mall) startBroker(ctx context.Context) error {
	kind := m.o.broker
	if kind == broker.Redis || !m.needs(string(kind)) {
		return nil
	}
	return m.board.Do(ctx, string(kind), func(s *steps.Step) error {
		m.brokerAddr = os.Getenv(kind.Variable())
		if m.brokerAddr != "" {
			s.Note("at %s (%s)", m.brokerAddr, kind.Variable())
		} else {
			runtime, err := broker.Bring(ctx, m.machine(s), kind)
			if err != nil {
				return err
			}
			m.broker = m.newBroker(runtime)
			specs, err := m.broker.Prepare(m.at.Log)
			if err != nil {
				return err
			}
			for _, spec := range specs {
				m.sup.Start(spec)
			}
			m.brokerAddr = m.broker.Addr()
			s.Note("%s at %s, %s", kind, m.brokerAddr, runtime)
		}
		if err := m.topics(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, m.lastWords(string(kind)))
		}
		return nil
	})
}

// topics waits until the broker has all of them. Every start of a sidecar does, because the broker may have been lost
// meanwhile.
func (m *mall) topics(ctx context.Context) error {
	if m.brokerAddr == "" { // Redis Streams make theirs
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, brokerWithin)
	defer cancel()
	var names []string
	for _, t := range contracts.Topics {
		names = append(names, t.Name)
	}
	return broker.Topics(ctx, m.o.broker, m.brokerAddr, m.broker != nil, names)
}
