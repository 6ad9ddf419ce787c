// Package broker brings up the broker that carries the events. Redis Streams need nothing here: they are in the mall's
// Redis. Kafka and RocketMQ are the real ones, each in a Java process of its own, or elsewhere at an address.
package broker

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/supervise"
)

// Kind is which broker carries the events.
type Kind string

// The brokers.
const (
	Redis    Kind = "redis"
	Kafka    Kind = "kafka"
	RocketMQ Kind = "rocketmq"
)

// Kinds are all brokers.
var Kinds = []Kind{Redis, Kafka, RocketMQ}

// Chosen is the broker that MALL_BROKER names, Redis if it names none.
func Chosen() Kind { return cmp.Or(Kind(os.Getenv("MALL_BROKER")), Redis) }

// String, Set and Type make it a flag.
func (k *Kind) String() string { return string(*k) }

// Set accepts the name of a broker.
func (k *Kind) Set(name string) error {
	for _, known := range Kinds {
		if name == string(known) {
			*k = known
			return nil
		}
	}
	return fmt.Errorf("there is no broker %q, only %v", name, Kinds)
}

// Type is shown in the help.
func (k *Kind) Type() string { return "broker" }

// ChecksHealth reports whether a sidecar may check its app's health. Through RocketMQ it must not: what waits while the
// app does not answer keeps its worker for ever, and when none is left nothing is delivered any more.
func (k Kind) ChecksHealth() bool { return k != RocketMQ }

// Default is the address in the component files, that of the first port of a mall at its default place.
const Default = "127.0.0.1:8582"

// Variable names an environment variable with the address of a running broker.
func (k Kind) Variable() string { return "MALL_" + strings.ToUpper(string(k)) + "_ADDR" }

// Server is a broker that is started here.
type Server interface {
	// Addr is where clients find it.
	Addr() string
	// Ports are all it listens on, by process.
	Ports() map[string]int
	// Prepare writes its directory and configuration, and returns its processes in the order of their start.
	Prepare(log func(process string) string) ([]supervise.Spec, error)
}

// Place is where a broker is started.
type Place struct {
	Java string // program
	Jars string // directory
	Dir  string // data, configuration and logs
	Port int    // the first of nine
	User source.User
}

// Bring finds what a broker needs, fetching it if need be.
func Bring(ctx context.Context, m source.Machine, k Kind) (java source.Found, jars string, err error) {
	if java, err = source.Java(ctx, m); err != nil {
		return java, "", fmt.Errorf("no Java runtime for %s: %w\ninstall one, or set %s to a running %s", k, err,
			k.Variable(), k)
	}
	pom := kafkaPOM
	if k == RocketMQ {
		pom = rocketPOM
	}
	jars, err = source.Jars(ctx, m, string(k), pom)
	if err != nil {
		err = fmt.Errorf("%w\nor set %s to a running %s", err, k.Variable(), k)
	}
	return java, jars, err
}

// New makes a server.
func New(k Kind, p Place) Server {
	if k == RocketMQ {
		return rocketmq{p}
	}
	return kafka{p}
}

// Topics returns when every topic exists and can be written to. Those that are missing are made where that is
// possible: on Kafka, and on a RocketMQ that was started here.
func Topics(ctx context.Context, k Kind, addr string, own bool, topics []string) error {
	if k == RocketMQ {
		return rocketTopics(ctx, addr, own, topics)
	}
	return kafkaTopics(ctx, addr, topics)
}

// process is a Java process of a broker.
func (p Place) process(name, log string, ports map[string]int, main string, args ...string) supervise.Spec {
	return supervise.Spec{Name: name, Kind: "broker", Path: p.Java,
		Args: append(args, append([]string{"-cp", filepath.Join(p.Jars, "*")}, strings.Fields(main)...)...),
		Dir:  p.Dir, Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + p.Dir}, Log: log, User: p.User.Credential(),
		Port: ports[name], Ports: ports, Stop: syscall.SIGTERM, Orphan: syscall.SIGTERM, Patience: 20 * time.Second}
}
