package transport

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/ciphersuite"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
	"github.com/pion/transport/v4/replaydetector"
)

// recordWindow is how far behind the newest a record may be (RFC 6347, section 4.1.2.6).
const recordWindow = 64

// recordEpoch is that of all records after the handshake: nothing is renegotiated.
const recordEpoch = 1

// suite is a cipher suite we agree to, with the lengths of its keys and implicit nonces.
type suite struct {
	id      dtls.CipherSuiteID
	key, iv int
	hash    func() hash.Hash
	chacha  bool
}

// suites lists the cipher suites in the order of our preference. All of them are AEADs.
var suites = []suite{
	{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 16, 4, sha256.New, false},
	{dtls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 16, 4, sha256.New, false},
	{dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 32, 12, sha256.New, true},
	{dtls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 32, 12, sha256.New, true},
	{dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 32, 4, sha512.New384, false},
	{dtls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, 32, 4, sha512.New384, false},
}

func suiteIDs() []dtls.CipherSuiteID {
	ids := make([]dtls.CipherSuiteID, len(suites))
	for i, s := range suites {
		ids[i] = s.id
	}
	return ids
}

// recordCipher seals and opens single records.
type recordCipher interface {
	Encrypt(*recordlayer.RecordLayer, []byte) ([]byte, error)
	Decrypt(recordlayer.Header, []byte) ([]byte, error)
}

// records is what is left of DTLS when the handshake is over: the record layer (RFC 6347,
// section 4.1), without a goroutine or a buffer of its own. The library's connection, which
// keeps five and forty kilobytes for as long as it lives, has ended by then.
//
// Unlike that, it takes nothing that is not encrypted: an alert anybody could have forged
// ends nothing.
type records struct {
	cipher recordCipher

	// mu guards what follows: the number of the next record we send, and those that came.
	mu   sync.Mutex
	next uint64
	seen replaydetector.ReplayDetector
}

// agreed is what we read of the library's marshalled state, by the names of its fields.
type agreed struct {
	LocalEpoch, RemoteEpoch   uint16
	LocalRandom, RemoteRandom [32]byte
	CipherSuiteID             uint16
	MasterSecret              []byte
	SequenceNumber            uint64
	IsClient                  bool
}

// newRecords goes on where a connection of the library was closed; its state must have been
// taken after that, so that no number is used twice.
func newRecords(state *dtls.State) (*records, error) {
	b, err := state.MarshalBinary()
	if err != nil {
		return nil, err
	}
	var a agreed
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&a); err != nil {
		return nil, err
	}
	if a.LocalEpoch != recordEpoch || a.RemoteEpoch != recordEpoch || len(a.MasterSecret) == 0 {
		return nil, errors.New("the handshake is not over")
	}
	cipher, err := a.cipher()
	if err != nil {
		return nil, err
	}
	return &records{
		cipher: cipher, next: a.SequenceNumber,
		seen: replaydetector.New(recordWindow, recordlayer.MaxSequenceNumber),
	}, nil
}

// cipher derives the keys (RFC 5246, section 6.3).
func (a *agreed) cipher() (recordCipher, error) {
	for _, s := range suites {
		if uint16(s.id) != a.CipherSuiteID {
			continue
		}
		client, server := a.LocalRandom[:], a.RemoteRandom[:]
		if !a.IsClient {
			client, server = server, client
		}
		k, err := prf.GenerateEncryptionKeys(a.MasterSecret, client, server, 0, s.key, s.iv, s.hash)
		if err != nil {
			return nil, err
		}
		if !a.IsClient {
			k.ClientWriteKey, k.ClientWriteIV, k.ServerWriteKey, k.ServerWriteIV = k.ServerWriteKey, k.ServerWriteIV, k.ClientWriteKey, k.ClientWriteIV
		}
		if s.chacha {
			return ciphersuite.NewChaCha20Poly1305(k.ClientWriteKey, k.ClientWriteIV, k.ServerWriteKey, k.ServerWriteIV)
		}
		return ciphersuite.NewGCM(k.ClientWriteKey, k.ClientWriteIV, k.ServerWriteKey, k.ServerWriteIV)
	}
	return nil, fmt.Errorf("cipher suite %#x is none of ours", a.CipherSuiteID)
}

// seal makes a record.
func (r *records) seal(kind protocol.ContentType, payload []byte) ([]byte, error) {
	r.mu.Lock()
	seq := r.next
	r.next++
	r.mu.Unlock()
	h := recordlayer.Header{
		ContentType: kind, ContentLen: uint16(len(payload)), Version: protocol.Version1_2,
		Epoch: recordEpoch, SequenceNumber: seq,
	}
	raw, err := h.Marshal() // refuses a number that is too great
	if err != nil {
		return nil, err
	}
	return r.cipher.Encrypt(&recordlayer.RecordLayer{Header: h}, append(raw, payload...))
}

// open opens the records of a datagram in place and hands over each that is authentic and
// new. The rest is nobody's, as on any network.
func (r *records) open(datagram []byte, take func(kind protocol.ContentType, payload []byte)) {
	for len(datagram) >= recordlayer.FixedHeaderSize {
		size := recordlayer.FixedHeaderSize + int(binary.BigEndian.Uint16(datagram[11:]))
		if size > len(datagram) {
			return
		}
		record := datagram[:size:size]
		datagram = datagram[size:]
		var h recordlayer.Header
		if h.Unmarshal(record) != nil || h.Epoch != recordEpoch || h.ContentType == protocol.ContentTypeChangeCipherSpec {
			continue
		}
		if payload, ok := r.openOne(h, record); ok {
			take(h.ContentType, payload)
		}
	}
}

func (r *records) openOne(h recordlayer.Header, record []byte) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	accept, fresh := r.seen.Check(h.SequenceNumber)
	if !fresh {
		return nil, false
	}
	plain, err := r.cipher.Decrypt(recordlayer.Header{}, record)
	if err != nil {
		return nil, false
	}
	accept()
	return plain[recordlayer.FixedHeaderSize:], true
}
