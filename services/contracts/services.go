package contracts

import (
	"cmp"
	"slices"
)

// Service is an app of the mall with its own sidecar. Its name is its Dapr app id and the name of its program.
type Service struct {
	Name string
	// Edge: only clients outside the mall call it, no other service does.
	Edge bool
	// Databases each have their own role, which no other service has. The first has the service's name.
	Databases []string
	// Secrets are what the service's sidecar may read, besides those that every service has (see AllowedSecrets).
	Secrets []string
	// Components are what the service's sidecar loads, besides those that follow from its settings and events.
	Components []string
	// Settings is the prefix of the names of its settings, if it is not the service's name.
	Settings string
}

// Services are all services, in the order of their ports: append a new one. Topics says who publishes and handles which
// events, contractstest.Routes who calls whom.
var Services = []Service{
	{Name: "api-gateway", Edge: true, Components: []string{"redis-lua"}, Settings: "gateway"},
	{Name: "auth", Databases: []string{"auth"}, Secrets: []string{"signing-keys", "refresh-hmac"}},
	{Name: "user", Databases: []string{"user"}, Secrets: []string{"first-admin"}, Components: []string{"mail"}},
	{Name: "product", Databases: []string{"product"}, Secrets: []string{"idempotency-hmac"},
		Components: []string{"redis-lua", "pictures"}},
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

// SettingsPrefix is the prefix of the names of the service's settings, up to the first dot.
func (s Service) SettingsPrefix() string { return cmp.Or(s.Settings, s.Name) }

// Dir is the directory of the service's program, relative to the root of the repository.
func (s Service) Dir() string {
	if s.Edge {
		return s.Name
	}
	return "services/" + s.Name
}

// AllowedSecrets are all secrets that the service's sidecar may read: the keys of its callers and of the services that
// it calls, the passwords of its databases, and Secrets.
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

// Folders are the components of the service's sidecar that are a folder each, as long as no server replaces them.
func (s Service) Folders() (all []string) {
	for _, c := range s.Components {
		if c == "mail" || c == "pictures" {
			all = append(all, c)
		}
	}
	return all
}

// names returns the names of the services for which is returns true.
func names(is func(Service) bool) (all []string) {
	for _, s := range Services {
		if is(s) {
			all = append(all, s.Name)
		}
	}
	return all
}
