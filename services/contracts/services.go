package contracts

import (
	"cmp"
	"slices"
)

// Service is an app of the mall with a sidecar of its own. Its name is its Dapr app id, and its program's.
type Service struct {
	Name string
	// Edge: only the world outside calls it, no service does.
	Edge bool
	// Databases each have a role of their own, which nobody else has. The first is called like the service.
	Databases []string
	// Secrets are what the service's sidecar may read besides those that every service has (see AllowedSecrets).
	Secrets []string
	// Components are what the service's sidecar loads besides those that follow from its settings and events.
	Components []string
	// Settings is what the names of its settings begin with, if not with its own.
	Settings string
}

// Services are all services, in the order of their ports: a new one comes last.
// Who tells and handles which events is in Topics; who calls whom is in contractstest.Routes.
var Services = []Service{
	{Name: "api-gateway", Edge: true, Components: []string{"redis-lua"}, Settings: "gateway"},
	{Name: "auth", Databases: []string{"auth"}, Secrets: []string{"signing-keys", "refresh-hmac"}},
	{Name: "user", Databases: []string{"user"}, Secrets: []string{"first-admin"}, Components: []string{"mail"}},
	{Name: "product", Databases: []string{"product"}, Secrets: []string{"idempotency-hmac"},
		Components: []string{"redis-lua"}},
	{Name: "cart", Databases: []string{"cart"}, Secrets: []string{"idempotency-hmac"}, Components: []string{"carts"}},
	{Name: "checkout", Databases: []string{"checkout"}, Secrets: []string{"idempotency-hmac"}},
	{Name: "order", Databases: []string{"order"}, Secrets: []string{"idempotency-hmac"}},
	{Name: "payment", Databases: []string{"payment", "sandbox"}, Secrets: []string{"idempotency-hmac", "stripe"}},
}

// Find returns a service by its name.
func Find(name string) (Service, bool) {
	i := slices.IndexFunc(Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return Services[i], true
}

// Databases are the databases of all services.
func Databases() (all []string) {
	for _, s := range Services {
		all = append(all, s.Databases...)
	}
	return all
}

// SettingsPrefix is what the names of the service's settings begin with, up to the first dot.
func (s Service) SettingsPrefix() string { return cmp.Or(s.Settings, s.Name) }

// Dir is where the service's program lies, from the root of the repository.
func (s Service) Dir() string {
	if s.Edge {
		return s.Name
	}
	return "services/" + s.Name
}

// AllowedSecrets are all secrets that the service's sidecar may read: the keys of those that call it and of those it
// calls, its databases', and what Secrets names.
func (s Service) AllowedSecrets() (all []string) {
	if !s.Edge {
		all = append(all, s.Name+"-callers")
	}
	all = append(all, s.Name+"-peers")
	for _, db := range s.Databases {
		all = append(all, db+"-db")
	}
	return append(all, s.Secrets...)
}

// Readers are the services whose sidecars may read a secret.
func Readers(secret string) []string {
	return names(func(s Service) bool { return slices.Contains(s.AllowedSecrets(), secret) })
}

// Loading are the services whose sidecars load a component.
func Loading(component string) []string {
	return names(func(s Service) bool { return slices.Contains(s.Components, component) })
}

// names are those of the services that are so.
func names(is func(Service) bool) (all []string) {
	for _, s := range Services {
		if is(s) {
			all = append(all, s.Name)
		}
	}
	return all
}
