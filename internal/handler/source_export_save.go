package handler

// acked has nothing to remember beside the ledger.
func (x *exportSource) acked(*place) {}

// save writes how far every chunk is acknowledged, strikes off those that are
// complete, and removes the folders of closed dates.
func (x *exportSource) save() error {
	forget, changed := x.ledger.rise()
	if !changed {
		return nil
	}
	if err := x.write(); err != nil {
		x.ledger.failed()
		return err
	}
	x.cfg.identity.mayForget(forget)
	return nil
}

func (x *exportSource) write() error {
	own := exportFile{Partial: map[string]partialChunk{}, Switch: x.took.switched()}
	complete := map[*exportDate][]*exportChunk{}
	for _, c := range x.unfinished() {
		v := c.lane.view()
		if c.end && v.empty {
			complete[c.date] = append(complete[c.date], c.exportChunk)
			continue
		}
		if v.settled.cursor != c.saved {
			if err := x.state.saveCursor(c.date.name, c.name, v.settled.cursor); err != nil {
				return err
			}
			c.saved = v.settled.cursor
		}
		for p := range c.acked {
			v.acked = append(v.acked, p) // not all of them may have been met again yet
		}
		if v.settled.rows > 0 || len(v.acked) > 0 {
			own.Partial[c.date.name+"/"+c.name] = partialChunk{Cursor: v.settled.cursor, Rows: v.settled.rows, Acked: packPrints(v.acked)}
		}
	}
	if err := x.state.saveOwn(own); err != nil {
		return err
	}
	if err := x.keepNotes(); err != nil {
		return err
	}
	for d, chunks := range complete {
		if err := x.strike(d, chunks); err != nil {
			return err
		}
	}
	return x.removeClosed()
}

// openChunk is a chunk and whether it was read to its end, at one moment.
type openChunk struct {
	*exportChunk
	end bool
}

func (x *exportSource) unfinished() []openChunk {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []openChunk
	for _, d := range x.dates {
		for _, c := range d.chunks {
			all = append(all, openChunk{c, c.read})
		}
	}
	return all
}

func (x *exportSource) strike(d *exportDate, chunks []*exportChunk) error {
	names := make([]string, len(chunks))
	for i, c := range chunks {
		names[i] = c.name
	}
	if err := x.state.complete(d.name, names); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range chunks {
		d.done[c.name] = true
		delete(d.chunks, c.name)
		x.ledger.close(c.lane)
	}
	return nil
}

func (x *exportSource) removeClosed() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, d := range x.dates {
		if !d.gone {
			continue
		}
		if err := x.state.end(name); err != nil {
			return err
		}
		delete(x.dates, name)
	}
	return nil
}
