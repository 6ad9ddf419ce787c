// Command audit reports whether the data of a mall agree: the books C1 to C6 of package audit. It exits 1 on any
// violation. Call it as go run ./deploy/mall audit.
package main

import (
	"daprmall.dev/deploy/internal/operate"
	"daprmall.dev/deploy/internal/running"
)

func main() { operate.Main(operate.AuditCommand(running.FindHere)) }
