package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"daprmall.dev/deploy/internal/broker"
	"daprmall.dev/deploy/internal/layout"
	"daprmall.dev/deploy/internal/names"
	"daprmall.dev/deploy/internal/postgres"
	"daprmall.dev/deploy/internal/redis"
	"daprmall.dev/deploy/internal/render"
	"daprmall.dev/deploy/internal/runfile"
	"daprmall.dev/deploy/internal/secrets"
	"daprmall.dev/deploy/internal/sentry"
	"daprmall.dev/deploy/internal/source"
	"daprmall.dev/deploy/internal/steps"
	"daprmall.dev/deploy/internal/supervise"
	"daprmall.dev/services/contracts"
)

// mall is one running mall, as its supervisor sees it.
type mall struct {
	at    layout.Layout
	o     options
	out   io.Writer
	board *steps.Progress
	sup   *supervise.Supervisor

	apps  []runfile.App
	lua   []string
	store secrets.Store
	own   secrets.Own
	user  source.User
	daprd string
	redis string // address
	pg    string // how the superuser reaches PostgreSQL
	// kafka or rocketmq
	broker     broker.Server // nil: not ours, or Redis Streams
	brokerAddr string
	sentry     *sentry.Instance // nil without mTLS
}

func newMall(ctx context.Context, at layout.Layout, o options, out io.Writer) (*mall, error) {
	m := &mall{at: at, o: o, out: out, board: steps.New(ctx, out)}
	m.sup = supervise.New(at.Run(), func(format string, args ...any) {
		m.board.Say(time.Now().Format(time.TimeOnly)+" "+format, args...)
	})
	var err error
	if m.apps, err = plan(at, o); err != nil {
		return nil, err
	}
	m.lua = contracts.Loading(luaComponent)
	if m.user, err = source.Unprivileged(); err != nil {
		return nil, err
	}
	var ids []string
	for _, a := range m.apps {
		ids = append(ids, a.ID)
	}
	m.store, m.own, err = secrets.Load(at.Home, ids)
	return m, err
}

// start brings everything up, independent things side by side.
func (m *mall) start(ctx context.Context) error {
	if err := m.portsFree(); err != nil {
		return err
	}
	err := steps.Go(ctx, m.startDapr, m.compile, m.startRedis, m.startPostgres, m.startBroker)
	if err != nil {
		return err
	}
	if err := secrets.Save(m.at.Home, m.store); err != nil {
		return err
	}
	if err := m.writeState(); err != nil {
		return err
	}
	if err := m.prepareSettings(ctx); err != nil {
		return err
	}
	if len(m.apps) == 0 {
		return nil
	}
	if err := m.render(); err != nil {
		return err
	}
	if err := m.startApps(); err != nil {
		return err
	}
	if err := m.board.Do(ctx, "ready", func(s *steps.Step) error { return m.waitReady(ctx, m.apps, s.Note) }); err != nil {
		return err
	}
	return m.seed(ctx)
}

func (m *mall) compile(ctx context.Context) error {
	dirs, err := programs(m.at, m.apps, m.lua)
	if err != nil || len(dirs) == 0 || m.o.noBuild {
		return err
	}
	if m.seeds() {
		dirs = append(dirs, "deploy/seed")
	}
	return m.board.Do(ctx, "apps", func(s *steps.Step) error { return build(ctx, m.at, dirs, s) })
}

// needs reports whether a server is started: every app needs both.
func (m *mall) needs(server string) bool { return len(m.apps) > 0 || m.o.wants(server) }

func (m *mall) startRedis(ctx context.Context) error {
	if !m.needs("redis") {
		return nil
	}
	return m.board.Do(ctx, "redis", func(s *steps.Step) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		if m.redis = os.Getenv("MALL_REDIS_ADDR"); m.redis != "" {
			m.store.SetRedisPassword(os.Getenv("MALL_REDIS_PASSWORD"))
			s.Note("at %s (MALL_REDIS_ADDR)", m.redis)
			if err := redis.Wait(ctx, m.redis, m.store.RedisPassword()); err != nil {
				return err
			}
			return m.setRedisUsers(ctx)
		}
		found, err := source.Redis(ctx, m.machine(s))
		if err != nil {
			return err
		}
		m.redis = net.JoinHostPort("127.0.0.1", strconv.Itoa(m.at.RedisPort()))
		dir := m.user.DataDir(m.at.Home, "redis", layout.Hash(m.at.Home))
		sayOutside(m.at, dir, s)
		i := redis.Instance{Binary: found.Path, Dir: dir,
			Port: m.at.RedisPort(), Password: m.store.RedisPassword(),
			Users: redis.SettingsReaders(m.store.SettingsReaders()), User: m.user}
		if err := i.Prepare(); err != nil {
			return err
		}
		m.sup.Start(i.Spec("redis", m.at.Log("redis")))
		s.Note("Redis %s, port %d", found, i.Port)
		return redis.Wait(ctx, m.redis, i.Password)
	})
}

// setRedisUsers makes the users of a Redis that is not ours; our own has them in its file.
func (m *mall) setRedisUsers(ctx context.Context) error {
	c := redis.Open(m.redis, m.store.RedisPassword())
	defer c.Close() //nolint:errcheck // every command has been answered
	return redis.SetUsers(ctx, c, redis.SettingsReaders(m.store.SettingsReaders()))
}

func (m *mall) startPostgres(ctx context.Context) error {
	if !m.needs("postgres") {
		return nil
	}
	return m.board.Do(ctx, "postgres", func(s *steps.Step) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		if m.pg = os.Getenv("MALL_POSTGRES_URL"); m.pg != "" {
			s.Note("at MALL_POSTGRES_URL")
		} else if err := m.ownPostgres(ctx, s); err != nil {
			return err
		}
		if err := postgres.Wait(ctx, m.pg); err != nil {
			return err
		}
		admin, err := url.Parse(m.pg)
		if err != nil {
			return errors.New("MALL_POSTGRES_URL is not a URL")
		}
		options := url.Values{"sslmode": {"disable"}}
		if mode := admin.Query().Get("sslmode"); mode != "" {
			options.Set("sslmode", mode)
		}
		passwords := map[string]string{}
		for _, name := range contracts.Databases() {
			m.store.SetDatabase(name, admin.Host, options.Encode())
			passwords[name] = m.store.DatabasePassword(name)
		}
		return postgres.Databases(ctx, m.pg, passwords)
	})
}

func (m *mall) machine(s *steps.Step) source.Machine {
	return source.Machine{Cache: m.at.Cache, Install: m.o.install, Report: s}
}

// sayOutside tells of a new data directory outside the home, as root's databases may need.
func sayOutside(at layout.Layout, dir string, s *steps.Step) {
	if rel, err := filepath.Rel(at.Home, dir); err == nil && filepath.IsLocal(rel) {
		return
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		s.Changed("%s: data of this mall", dir)
	}
}

func postgresData(at layout.Layout, user source.User) string {
	return filepath.Join(user.DataDir(at.Home, "postgres", layout.Hash(at.Home)), "data")
}

func (m *mall) ownPostgres(ctx context.Context, s *steps.Step) error {
	dir := postgresData(m.at, m.user)
	sayOutside(m.at, dir, s)
	found, err := source.Postgres(ctx, m.machine(s), postgres.DataMajor(dir))
	if err != nil {
		return err
	}
	i := postgres.Instance{Bin: found.Path, Version: found.Version, Dir: dir, Port: m.at.PostgresPort(),
		Password: m.own.PostgresPassword, User: m.user}
	if err := i.Prepare(ctx); err != nil {
		return err
	}
	m.pg = i.URL()
	m.sup.Start(i.Spec("postgres", m.at.Log("postgres")))
	s.Note("PostgreSQL %s, port %d", found, i.Port)
	return nil
}

func (m *mall) render() error {
	v := render.Values{Addresses: map[string]string{render.Redis: m.redis}, Home: m.at.Home, Events: m.own.EventsTokens}
	overlay := ""
	if m.o.broker != broker.Redis {
		v.Addresses[broker.Default] = m.brokerAddr
		overlay = filepath.Join(m.at.Root, "components", string(m.o.broker))
	}
	var sources []string
	for _, a := range m.apps {
		for _, dir := range a.Resources {
			if !slices.Contains(sources, dir) {
				sources = append(sources, dir)
			}
		}
	}
	if err := render.Dirs(sources, overlay, filepath.Join(m.at.Home, "resources"), v); err != nil {
		return err
	}
	var configs []string
	for _, a := range m.apps {
		dir := filepath.Dir(a.ConfigFile)
		if m.sentry != nil {
			dir = filepath.Join(dir, "mtls")
		}
		if !slices.Contains(configs, dir) {
			configs = append(configs, dir)
		}
	}
	if err := render.Dirs(configs, "", filepath.Join(m.at.Home, "config"), v); err != nil {
		return err
	}
	return names.Reset(filepath.Join(m.at.Home, "names.db"))
}

func (m *mall) startApps() error {
	for _, a := range m.apps {
		c := appProcesses{at: m.at, app: a, own: m.own, daprd: m.daprd, redis: m.redis, redisPW: m.store.RedisPassword(),
			lua: slices.Contains(m.lua, a.ID), broker: m.o.broker, topics: m.topics,
			sentry: m.sentry}
		// A private folder for each sidecar: it waits for every socket it finds.
		if err := os.RemoveAll(c.sockets()); err != nil {
			return err
		}
		if err := os.MkdirAll(c.sockets(), 0o700); err != nil {
			return err
		}
		if c.lua {
			m.sup.Start(c.component())
		}
		sidecar, err := c.sidecar()
		if err != nil {
			return err
		}
		m.sup.Start(c.process())
		m.sup.Start(sidecar)
	}
	return nil
}

// stop takes everything down: what serves people first, what keeps data last.
func (m *mall) stop() {
	m.sup.StopAll([]string{"component"}, []string{"broker", sentry.Name}, []string{"redis", "postgres"})
	for _, a := range m.apps {
		_ = os.RemoveAll(filepath.Join(m.at.Sockets, a.Name()))
	}
	_ = os.Remove(m.at.StateFile())
}
