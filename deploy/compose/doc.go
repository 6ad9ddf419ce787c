// Package compose has the mall as containers for Docker Compose: compose.yaml. Its tests keep that file and the list of
// services the same.
package compose
