package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// The states that a service manager is told of (sd_notify(3)). Without one
// (NOTIFY_SOCKET is not set) they do nothing; that a manager cannot be told is no
// reason to stop, so there is nothing to return.

// NotifyReady says that the program serves, and what it shows in `systemctl status`.
func NotifyReady(status string) { notify(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// NotifyReloading says that a new configuration is being taken; NotifyReady ends it.
func NotifyReloading() { notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec()) }

// NotifyStopping says that the program drains and will end.
func NotifyStopping() { notify(daemon.SdNotifyStopping) }

func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// Watchdog tells the service manager, at half the interval that it asks for, that
// the program lives, as long as healthy returns nil. A nil healthy means always.
// It returns when ctx ends, at once when no manager watches.
func Watchdog(ctx context.Context, healthy func() error) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read watchdog interval: %w", err)
	}
	if interval == 0 {
		return nil
	}
	tick := time.NewTicker(max(interval/2, time.Millisecond))
	defer tick.Stop()
	for {
		if healthy == nil || healthy() == nil {
			notify(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// InheritedFiles is the sockets that the service manager has opened for this process
// (sd_listen_fds(3)); none when it was started otherwise.
func InheritedFiles() []*os.File { return activation.Files(true) }
