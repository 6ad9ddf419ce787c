// Command events shows the mall's events on their way and lets an operator retry or drop those that are parked.
// Call it as go run ./deploy/mall events.
package main

import (
	"daprmall.dev/deploy/internal/operate"
	"daprmall.dev/deploy/internal/running"
)

func main() { operate.Main(operate.EventsCommand(running.FindHere)) }
