package broker

import (
	"context"
	_ "embed"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/supervise"
)

//go:embed kafka.pom.xml
var kafkaPOM []byte

// kafka is one node that is both broker and controller (KRaft).
type kafka struct{ Place }

func (k kafka) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(k.Port)) }

func (k kafka) Ports() map[string]int {
	return map[string]int{"kafka": k.Port, "kafka controller": k.Port + 1}
}

// Prepare implements Server.
func (k kafka) Prepare(log func(string) string) ([]supervise.Spec, error) {
	if err := k.User.MakeDir(k.Dir); err != nil {
		return nil, err
	}
	conf := filepath.Join(k.Dir, "server.properties")
	if err := k.User.Write(conf, []byte(k.properties())); err != nil {
		return nil, err
	}
	logging := filepath.Join(k.Dir, "log4j2.properties")
	if err := k.User.Write(logging, []byte(log4j)); err != nil {
		return nil, err
	}
	logs := "-Dlog4j2.configurationFile=file:" + logging
	s := k.process("kafka", log("kafka"), k.Ports(), "", "kafka.Kafka "+conf,
		"-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=64m", "-XX:ReservedCodeCacheSize=64m",
		"-Xss512k", logs)
	format := k.process("kafka-format", log("kafka"), nil, "",
		"kafka.tools.StorageTool format --ignore-formatted -t "+clusterID+" -c "+conf,
		"-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", logs)
	clear := s.Before
	s.Before = func(ctx context.Context) error {
		if clear != nil {
			if err := clear(ctx); err != nil {
				return err
			}
		}
		if _, err := os.Stat(filepath.Join(k.Dir, "data", "meta.properties")); err == nil {
			return nil
		}
		return run(ctx, format)
	}
	return []supervise.Spec{s}, nil
}

// clusterID may be the same everywhere: a mall has one node.
const clusterID = "bWFsbC1vbi1vbmUtbm9kZQ"

// log4j writes warnings to stderr, which the supervisor keeps.
const log4j = `rootLogger.level=warn
rootLogger.appenderRefs=stderr
rootLogger.appenderRef.stderr.ref=stderr
appender.stderr.type=Console
appender.stderr.name=stderr
appender.stderr.target=SYSTEM_ERR
appender.stderr.layout.type=PatternLayout
appender.stderr.layout.pattern=%d{ISO8601} %p %c: %m%n
status=error
`

func (k kafka) properties() string {
	return kafkaProperties(k.Addr(), k.Addr(), net.JoinHostPort("127.0.0.1", strconv.Itoa(k.Port+1)),
		filepath.Join(k.Dir, "data"))
}

// KafkaFiles are the configuration of a Kafka in a container of its own, by their names: server.properties and
// log4j2.properties. It is one node, which clients find at addr.
func KafkaFiles(addr, data string) (map[string]string, error) {
	_, port, err := net.SplitHostPort(addr)
	return map[string]string{
		"server.properties": kafkaProperties(":"+port, addr, "127.0.0.1:9093", data),
		"log4j2.properties": log4j,
	}, err
}

// kafkaProperties keeps the node small, and quick to return: with a session of 3 s a node that was killed registers
// again after 7 to 9 s, with the usual 9 s after 13.
func kafkaProperties(listen, addr, controller, data string) string {
	return strings.NewReplacer("LISTEN", listen, "ADDR", addr, "CONTROLLER_AT", controller,
		"DATA", data).Replace(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@CONTROLLER_AT
listeners=PLAINTEXT://LISTEN,CONTROLLER://CONTROLLER_AT
advertised.listeners=PLAINTEXT://ADDR
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=DATA
auto.create.topics.enable=false
num.partitions=12
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=4
background.threads=2
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.retention.hours=168
log.cleaner.dedupe.buffer.size=16777216
`)
}
