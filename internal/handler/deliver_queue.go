package handler

import "context"

// queue is where workers find events. Those that wait in it make batches full
// when the senders are behind, and cost nobody time when they are not.
type queue struct {
	in   <-chan *Read
	stop <-chan struct{} // closed: begin nothing more
	held *Read           // taken out and not used yet
}

// wait is the next event, nil at the end.
func (q *queue) wait(ctx context.Context) *Read {
	select {
	case <-q.stop: // counts first, though events are there
		return nil
	default:
	}
	if r := q.held; r != nil {
		q.held = nil
		return r
	}
	select {
	case r := <-q.in:
		return r
	case <-q.stop:
		return nil
	case <-ctx.Done():
		return nil
	}
}

// more is the next event if there is one already.
func (q *queue) more() *Read {
	select {
	case r := <-q.in:
		return r
	default:
		return nil
	}
}

// queues is one for each relay, and the function that fills them from in until
// begin ends. A relay that is away fills its queue and holds up nobody else: the
// source never has more under way than a queue takes. In strict order there is
// one queue for all.
func (d *delivery) queues(begin context.Context, in <-chan *Read) (all []queue, fill func()) {
	if d.ordered || len(d.sender.relays) == 1 {
		return []queue{{in: in}}, func() {}
	}
	channels := map[*relay]chan *Read{}
	for _, r := range d.sender.relays {
		channels[r] = make(chan *Read, maxUnsettled)
		all = append(all, queue{in: channels[r]})
	}
	return all, func() {
		for r := range until(begin, in) {
			select {
			case channels[d.sender.home(r.ID)] <- r:
			case <-begin.Done():
			}
		}
		for _, c := range channels {
			close(c)
		}
	}
}

// until yields what comes in until the channel is closed or ctx ends.
func until(ctx context.Context, in <-chan *Read) func(yield func(*Read) bool) {
	return func(yield func(*Read) bool) {
		for {
			select {
			case r, open := <-in:
				if !open || !yield(r) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
