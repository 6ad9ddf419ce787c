package redis

// scripts bounds what the component redislua does for an app: the gateway limits sign-ins and must not reach the stock
// gate. What is not named here may use everything.
var scripts = map[string]string{"api-gateway": "limit,attempt,settle"}

// ScriptsOf are the operations of redislua that an app may use, as REDISLUA_OPERATIONS takes them.
func ScriptsOf(app string) string { return scripts[app] }
