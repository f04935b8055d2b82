package s3sink

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a goroutine outlives its output or its server. The default
// client's idle connections belong to nobody here.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
