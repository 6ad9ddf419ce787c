// Command setup prepares a mall that runs in containers, and is in each of them: it writes secrets and Dapr's files
// into the mall's volume, makes databases and topics, starts programs with the secrets they need, and asks whether they
// are healthy. Containers without a shell have no other program for that. It also has the commands of those who run
// such a mall, with Docker Compose and on Kubernetes.
package main

import (
	"github.com/spf13/cobra"

	"daprmall.dev/deploy/internal/operate"
)

func main() { operate.Main(commands()) }

func commands() *cobra.Command {
	root := &cobra.Command{Use: "setup", Short: "Prepare and operate a mall that runs in containers"}
	root.AddCommand(filesCommand(), serversCommand(), runCommand(), healthyCommand(), podCommand(), kubernetesCommand(),
		operate.ConfigCommand(openConfig), operate.AuditCommand(find), operate.EventsCommand(find), firstAdminCommand())
	return root
}
