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
	Runtime
	Dir  string // data, configuration and logs
	Port int    // the first of nine
	User source.User
}

// Runtime is what runs a broker's Java programs.
type Runtime struct {
	found source.Found
	jars  string // directory
	image image  // of the container that has java and jars
}

// String is for people.
func (r Runtime) String() string {
	if r.found.From == source.Container {
		return r.image.name + ", Docker " + r.found.Version
	}
	return "Java " + r.found.Version
}

func distribution(k Kind) source.Broker {
	pom := kafkaPOM
	if k == RocketMQ {
		pom = rocketPOM
	}
	return source.Broker{Name: string(k), POM: pom, Image: images[k].name}
}

// Bring finds what runs a broker, fetching it if need be.
func Bring(ctx context.Context, m source.Machine, k Kind) (Runtime, error) {
	found, jars, err := distribution(k).Bring(ctx, m)
	if found.From == source.Container {
		jars = images[k].jars
	}
	return Runtime{found, jars, images[k]}, err
}

// Look returns what Bring would find, and fetches nothing.
func Look(ctx context.Context, k Kind) (source.Found, error) { return distribution(k).Look(ctx) }

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

// process is a Java process of a broker. Options are for its java from version 9 on: older ones refuse them.
func (p Place) process(name, log string, ports map[string]int, options, main string, args ...string) supervise.Spec {
	s := supervise.Spec{Name: name, Kind: "broker", Path: p.found.Path,
		Args: append(args, append([]string{"-cp", filepath.Join(p.jars, "*")}, strings.Fields(main)...)...),
		Dir:  p.Dir, Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + p.Dir, "JDK_JAVA_OPTIONS=" + options},
		Log: log, User: p.User.Credential(), Port: ports[name], Ports: ports,
		Stop: syscall.SIGTERM, Orphan: syscall.SIGTERM, Patience: 20 * time.Second}
	if p.found.From == source.Container {
		return p.contain(s)
	}
	return s
}
