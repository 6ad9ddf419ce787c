package broker

import (
	_ "embed"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"daprmall.dev/deploy/internal/supervise"
)

//go:embed rocketmq.pom.xml
var rocketPOM []byte

// rocketmq is a name server and one broker.
type rocketmq struct{ Place }

// The ports, by their distance from the first one. The broker also listens two below its own.
const (
	rocketBroker = 5
	rocketFast   = rocketBroker - 2
	rocketHA     = rocketBroker + 1
)

func (r rocketmq) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port)) }

func brokerOf(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(n+rocketBroker))
}

func (r rocketmq) Ports() map[string]int {
	return map[string]int{"rocketmq-names": r.Port, "rocketmq": r.Port + rocketBroker,
		"rocketmq fast": r.Port + rocketFast, "rocketmq replication": r.Port + rocketHA}
}

// Prepare implements Server.
func (r rocketmq) Prepare(log func(string) string) ([]supervise.Spec, error) {
	if err := r.User.MakeDir(r.Dir); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("NAMES_PORT", strconv.Itoa(r.Port), "NAMES", r.Addr(), "DIR", r.Dir,
		"BROKER_PORT", strconv.Itoa(r.Port+rocketBroker), "HA_PORT", strconv.Itoa(r.Port+rocketHA))
	for name, text := range map[string]string{"names.conf": rocketNames, "broker.conf": rocketConf,
		"logback.xml": logback} {
		if err := r.User.Write(filepath.Join(r.Dir, name), []byte(fill.Replace(text))); err != nil {
			return nil, err
		}
	}
	ports := r.Ports()
	one := func(name, main, conf string, limits ...string) supervise.Spec {
		mine := map[string]int{name: ports[name]}
		return r.process(name, log(name), mine, rocketOptions(), main+" -c "+filepath.Join(r.Dir, conf),
			append(limits, r.flags()...)...)
	}
	return []supervise.Spec{
		one("rocketmq-names", "org.apache.rocketmq.namesrv.NamesrvStartup", "names.conf", "-Xms32m", "-Xmx64m"),
		one("rocketmq", "org.apache.rocketmq.broker.BrokerStartup", "broker.conf", "-Xms64m", "-Xmx256m",
			"-XX:MaxDirectMemorySize=128m"),
	}, nil
}

func (r rocketmq) flags() []string {
	return []string{"-XX:+UseSerialGC", "-Duser.home=" + r.Dir, "-Drocketmq.home.dir=" + r.Dir,
		"-Drmq.logback.configurationFile=" + filepath.Join(r.Dir, "logback.xml"), "-Dtls.server.mode=disabled"}
}

// rocketOptions open what RocketMQ reaches into from Java 16 on.
func rocketOptions() string {
	var options []string
	for _, p := range []string{"jdk.internal.ref", "sun.nio.ch"} {
		options = append(options, "--add-exports=java.base/"+p+"=ALL-UNNAMED")
	}
	for _, p := range []string{"java.nio", "sun.nio.ch", "java.lang", "jdk.internal.ref"} {
		options = append(options, "--add-opens=java.base/"+p+"=ALL-UNNAMED")
	}
	return strings.Join(options, " ")
}

const rocketNames = `listenPort=NAMES_PORT
bindAddress=127.0.0.1
kvConfigPath=DIR/kvConfig.json
configStorePath=DIR/namesrv.properties
`

// rocketConf flushes before it answers: an event that was accepted outlives the machine.
const rocketConf = `brokerClusterName=mall
brokerName=mall
brokerId=0
brokerRole=ASYNC_MASTER
namesrvAddr=NAMES
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=BROKER_PORT
haListenPort=HA_PORT
storePathRootDir=DIR/store
storePathCommitLog=DIR/store/commitlog
mappedFileSizeCommitLog=67108864
mappedFileSizeConsumeQueue=600000
maxHashSlotNum=50000
maxIndexNum=200000
flushDiskType=SYNC_FLUSH
diskMaxUsedSpaceRatio=95
fileReservedTime=72
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=true
timerWheelEnable=false
traceTopicEnable=false
`

// logback writes warnings to stderr, which the supervisor keeps.
const logback = `<configuration>
  <appender name="stderr" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target>
    <encoder><pattern>%d{ISO8601} %p %logger{0}: %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="stderr"/></root>
</configuration>
`
