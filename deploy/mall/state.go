package main

import (
	"encoding/json"
	"fmt"
	"os"

	"daprmall.dev/deploy/internal/layout"
)

// state is what other commands need to know of a running mall.
type state struct {
	Home      string              `json:"home"`
	PortBase  int                 `json:"port_base"`
	Gateway   string              `json:"gateway"`
	Postgres  string              `json:"postgres"` // the superuser's URL
	Databases map[string]string   `json:"databases"`
	Redis     stateRedis          `json:"redis"`
	Daprd     string              `json:"daprd"`
	Apps      map[string]stateApp `json:"apps"`
	Up        []string            `json:"up"` // how it was asked for
}

type stateRedis struct {
	Addr     string `json:"addr"`
	Password string `json:"password"`
}

type stateApp struct {
	ID        string         `json:"id"`
	URL       string         `json:"url"`
	Ports     map[string]int `json:"ports"`
	AppToken  string         `json:"app_api_token"`
	DaprToken string         `json:"dapr_api_token"`
}

func (m *mall) writeState() error {
	s := state{Home: m.at.Home, PortBase: m.at.Base, Gateway: fmt.Sprintf("http://127.0.0.1:%d", m.at.Base),
		Postgres:  m.pg,
		Databases: m.store.Databases(), Redis: stateRedis{m.redis, m.store.RedisPassword()}, Daprd: m.daprd,
		Apps: map[string]stateApp{}, Up: m.o.args()}
	for _, a := range m.apps {
		s.Apps[a.Name()] = stateApp{a.ID, fmt.Sprintf("http://127.0.0.1:%d", a.Port), a.Ports(), m.own.AppTokens[a.ID],
			m.own.DaprTokens[a.ID]}
	}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(m.at.StateFile(), raw, 0o600)
}

func readState(at layout.Layout) (state, error) {
	var s state
	raw, err := os.ReadFile(at.StateFile())
	if err != nil {
		return s, errDown
	}
	return s, json.Unmarshal(raw, &s)
}
