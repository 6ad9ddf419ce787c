module daprmall.dev/redislua

go 1.26.6

require (
	github.com/dapr/dapr v1.18.3
	github.com/redis/go-redis/v9 v9.23.0
	google.golang.org/grpc v1.82.1
	pgregory.net/rapid v1.3.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260727163830-6c54dddc4772 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

// dapr 1.18.3 names a release of its workflow engine that the module proxy does not
// serve everywhere. Only dapr's generated component protocol is imported here, so
// this is never compiled; it lets the workspace load the module graph.
replace github.com/dapr/durabletask-go => github.com/dapr/durabletask-go v0.12.2-0.20260720132056-79042da5fe61
