package transport

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

// The timers of consent (RFC 7675) and nomination. The first working pair wins at once,
// because peers usually show up as peer-reflexive; only relayed ones and TCP (see
// preference) wait for better.
const (
	keepalive        = 2 * time.Second
	disconnectedWait = 5 * time.Second
	failedWait       = 25 * time.Second
	patientWait      = 10 * time.Minute
	relayWait        = 800 * time.Millisecond
)

// startAgent makes the ICE agent and opens its local candidates. It answers checks
// only when connect has given it the peer's credentials; until then they wait.
func (r *round) startAgent() error {
	s := r.s
	options := []ice.AgentOption{
		ice.WithNet(s.t.net.Load()),
		ice.WithUDPMux(udpMux{s}),
		ice.WithLocalCredentials(r.ufrag, r.pwd),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled),
		ice.WithDisableActiveTCP(),
		ice.WithIncludeLoopback(),
		ice.WithKeepaliveInterval(keepalive),
		ice.WithDisconnectedTimeout(disconnectedWait),
		ice.WithFailedTimeout(s.patience()),
		ice.WithHostAcceptanceMinWait(0),
		ice.WithSrflxAcceptanceMinWait(0),
		ice.WithPrflxAcceptanceMinWait(0),
		ice.WithRelayAcceptanceMinWait(relayWait),
		ice.WithCheckInterval(checkInterval),
		ice.WithMaxBindingRequests(maxChecks),
		ice.WithBindingRequestHandler(r.checked),
		ice.WithRenomination(r.nomination),
		ice.WithLoggerFactory(pionLogs{s.log}),
	}
	types := []ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}
	if len(s.t.listeners) > 0 && !s.opts.UniquePort {
		types = append(types, ice.NetworkTypeTCP4, ice.NetworkTypeTCP6)
		options = append(options, ice.WithTCPMux(tcpMux{s.t}))
	}
	agent, err := ice.NewAgentWithOptions(append(options, ice.WithNetworkTypes(types))...)
	if err != nil {
		return err
	}
	r.agent = agent
	if err := agent.OnCandidate(r.prefer.local); err != nil {
		return err
	}
	if err := agent.OnConnectionStateChange(r.stateChanged); err != nil {
		return err
	}
	if err := agent.OnSelectedCandidatePairChange(r.pairSelected); err != nil {
		return err
	}
	return agent.GatherCandidates()
}

// patience is how long a lost path may stay lost.
func (s *Session) patience() time.Duration {
	if s.opts.Patient {
		return patientWait
	}
	return failedWait
}

// connect starts the checks.
func (r *round) connect(ufrag, pwd string) error {
	dial := r.agent.StartAccept
	if r.s.opts.Controlling {
		dial = r.agent.StartDial
	}
	r.prefer.start()
	r.theirs.Store(newProof(pwd))
	if _, err := dial(ufrag, pwd); err != nil {
		return fmt.Errorf("start checks: %w", err)
	}
	r.started.Store(true)
	return nil
}

// addRemoteCandidate gives a candidate to the agent. What it cannot use is skipped: the
// peer may still reach us from there.
func (r *round) addRemoteCandidate(c Candidate) {
	// Active TCP candidates of a browser have no port to connect to; it connects to us.
	if c.Protocol != UDP || !c.Addr.IsValid() || c.Addr.Port() == 0 {
		return
	}
	var (
		candidate ice.Candidate
		err       error
		addr      = c.Addr.Addr().Unmap().String()
		port      = int(c.Addr.Port())
	)
	switch c.Type {
	case TypeHost:
		candidate, err = ice.NewCandidateHost(&ice.CandidateHostConfig{
			Network: "udp", Address: addr, Port: port, Component: 1, Priority: c.Priority, Foundation: c.Foundation,
		})
	case TypeSrflx, TypePrflx:
		candidate, err = ice.NewCandidateServerReflexive(&ice.CandidateServerReflexiveConfig{
			Network: "udp", Address: addr, Port: port, Component: 1, Priority: c.Priority, Foundation: c.Foundation,
			RelAddr: relatedAddr(c), RelPort: int(c.Related.Port()),
		})
	case TypeRelay:
		candidate, err = ice.NewCandidateRelay(&ice.CandidateRelayConfig{
			Network: "udp", Address: addr, Port: port, Component: 1, Priority: c.Priority, Foundation: c.Foundation,
			RelAddr: relatedAddr(c), RelPort: int(c.Related.Port()),
		})
	default:
		return
	}
	if err == nil {
		r.prefer.remote(candidate)
		err = r.agent.AddRemoteCandidate(candidate)
	}
	if err != nil {
		r.s.log.WithError(err).Debug("remote candidate skipped")
	}
}

func relatedAddr(c Candidate) string {
	if !c.Related.IsValid() {
		return "0.0.0.0"
	}
	return c.Related.Addr().String()
}

// pairSelected makes the pair the agent nominated the way of everything we send.
func (r *round) pairSelected(local, remote ice.Candidate) {
	s := r.s
	addr, err := netip.ParseAddr(remote.Address())
	if err != nil {
		return
	}
	to := netip.AddrPortFrom(addr.Unmap(), uint16(remote.Port()))
	var d *destination
	if remote.NetworkType().IsTCP() {
		c := s.t.tcp.findRemote(s, to)
		if c == nil {
			return
		}
		d = &destination{addr: to, tcp: c}
	} else {
		from, err := netip.ParseAddr(local.Address())
		if err != nil {
			return
		}
		sock := s.socketAt(from.Unmap())
		if sock == nil {
			return
		}
		d = newDestination(sock, to)
		s.t.mux.bind(s, to)
	}
	if s.ctx.Err() != nil {
		return
	}
	if r.prefer.choose(remote, time.Now()) {
		s.t.stats.roamed.Add(1)
	}
	carried, first := s.carry(r, d)
	if !carried {
		return
	}
	s.log.WithFields(logrus.Fields{
		logx.Remote: logx.IP(to.String()), "protocol": remote.NetworkType().NetworkShort(),
		"candidate": remote.Type().String(),
	}).Debug("path selected")
	if first {
		s.post(s.iceConnected)
	}
}

// iceConnected runs when there is a path for the first time.
func (s *Session) iceConnected() {
	s.mu.Lock()
	if s.connected {
		s.mu.Unlock()
		return
	}
	s.connected = true
	handshake := s.remote.Setup != "" && len(s.remote.Fingerprints) > 0
	s.mu.Unlock()
	s.t.stats.iceOK.Add(1)
	if d := s.slot.dest.Load(); d != nil && d.tcp != nil {
		s.t.stats.iceOKTCP.Add(1)
	}
	s.opts.Handler.TransportConnected()
	if handshake {
		s.beginHandshake()
	}
}
