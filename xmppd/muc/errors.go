package muc

import (
	"errors"

	"parley/xmppd/stanza"
)

// Errors of the Go side.
var (
	// ErrClosed is returned when the host or the room is gone.
	ErrClosed = errors.New("room is closed")
	// ErrNoRoom is returned for a room that does not exist.
	ErrNoRoom = errors.New("room does not exist")
)

// The answers of the room itself. Each is the stanza error XEP-0045 or Jitsi's
// clients expect in that case (lib-jitsi-meet, ChatRoom.ts, onPresenceError).
var (
	errCreation       = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Room creation is restricted")
	errTooManyRooms   = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "This server has no place for another room")
	errBusy           = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The room is too busy")
	errWaiting        = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many people wait to enter")
	errNick           = stanza.Err(stanza.Modify, stanza.JIDMalformed, "Nickname must pass strict validation")
	errBlankNick      = stanza.Err(stanza.Modify, stanza.NotAllowed, "A nickname needs a visible character")
	errNickLong       = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The nickname is too long")
	errNickInvalid    = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Invalid resource")
	errNickAnonymous  = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Invalid anonymous user ID")
	errNickChange     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Nick changes are not allowed")
	errNickReserved   = stanza.Err(stanza.Cancel, stanza.Conflict, "This nickname belongs to the service")
	errNickTaken      = stanza.Err(stanza.Cancel, stanza.Conflict, "Somebody else has this nickname")
	errNickKept       = stanza.Err(stanza.Cancel, stanza.Conflict, "This nickname is registered to somebody else")
	errLocked         = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "The room is not configured yet")
	errFull           = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "The room is full")
	errMembersOnly    = stanza.Err(stanza.Auth, stanza.RegistrationRequired, "")
	errOutcast        = stanza.Err(stanza.Auth, stanza.Forbidden, "")
	errPassword       = stanza.Err(stanza.Auth, stanza.NotAuthorized, "")
	errServices       = stanza.Err(stanza.Auth, stanza.Forbidden, "These rooms are for services")
	errNotInRoom      = stanza.Err(stanza.Cancel, stanza.NotAcceptable, "You are not currently connected to this chat")
	errPresenceInRoom = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "You are not currently connected to this chat")
	errNoRecipient    = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "Recipient not in room")
	errNoRoomHere     = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "Room does not exist")
	errVoice          = stanza.Err(stanza.Auth, stanza.Forbidden, "You do not currently have permission to speak in this chat")
	errGroupToNick    = stanza.Err(stanza.Modify, stanza.BadRequest, "A groupchat message goes to the room, not to an occupant")
	errPrivate        = stanza.Err(stanza.Cancel, stanza.Forbidden, "Private messages are not allowed in this room")
	errSubject        = stanza.Err(stanza.Auth, stanza.Forbidden, "Only moderators may change the subject")
	errSubjectLong    = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The subject is too long")
	errForbidden      = stanza.Err(stanza.Auth, stanza.Forbidden, "")
	errNotAllowed     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "")
	errBadRequest     = stanza.Err(stanza.Cancel, stanza.BadRequest, "")
	errItem           = stanza.Err(stanza.Cancel, stanza.BadRequest, "An item sets either an affiliation or a role")
	errItemValue      = stanza.Err(stanza.Modify, stanza.NotAcceptable, "Unknown affiliation or role")
	errItemNick       = stanza.Err(stanza.Modify, stanza.ItemNotFound, "Nobody has this nickname")
	errItemJID        = stanza.Err(stanza.Modify, stanza.JIDMalformed, "An affiliation belongs to an account, not to a session")
	errAdminRank      = stanza.Err(stanza.Modify, stanza.NotAcceptable, "An administrator is always owner")
	errLastOwner      = stanza.Err(stanza.Cancel, stanza.Conflict, "The last owner cannot give this up")
	errTooMany        = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The list is full")
	errOwnersOnly     = stanza.Err(stanza.Auth, stanza.Forbidden, "Only owners can configure rooms")
	errFormType       = stanza.Err(stanza.Cancel, stanza.BadRequest, "The form is not a room configuration")
	errFormValue      = stanza.Err(stanza.Modify, stanza.NotAcceptable, "A field of the form has a value the room cannot take")
	errUnavailable    = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	errFeature        = stanza.Err(stanza.Cancel, stanza.FeatureNotImplemented, "")
	errSelfBan        = stanza.Err(stanza.Cancel, stanza.Conflict, "Nobody can ban himself")
	errOccupantDisco  = stanza.Err(stanza.Modify, stanza.BadRequest, "Only occupants may ask about occupants")
	errPersistent     = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "This server keeps no more rooms")
	errStore          = stanza.Err(stanza.Wait, stanza.InternalServerError, "The room could not be saved")
	errRegister       = stanza.Err(stanza.Cancel, stanza.NotAllowed, "You cannot register with this room")
	errRegisterForm   = stanza.Err(stanza.Modify, stanza.BadRequest, "The form is not a registration with a room")
	errRegisterNick   = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The nickname cannot be registered")
	errApplicants     = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many people wait to be registered with this room")
	errNoApplicant    = stanza.Err(stanza.Modify, stanza.ItemNotFound, "Nobody waits to be registered with this address or nickname")
	errSearchForm     = stanza.Err(stanza.Modify, stanza.BadRequest, "The form is not a search for rooms")
	errAvatar         = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The picture card is too large or cannot be read")
	errVoiceForm      = stanza.Err(stanza.Modify, stanza.BadRequest, "The form is not a request for voice")
	errInviteRank     = stanza.Err(stanza.Auth, stanza.Forbidden, "Only owners may invite into this room")
)
