import { render } from 'preact';
import { App } from './app/App';
import { debugView } from './app/debug';
import type { ParleyDebug } from './app/debug';
import { Visit } from './app/visit';
import './components/theme.css';
import { decodeConfig } from './conference/config';
import { parseRoomPath, readTabState, tokenFromUrl, withoutToken, writeTabState } from './conference/room';
import { Trouble } from './features/closing/Closing';
import { Welcome } from './features/welcome/Welcome';
import { t } from './lang';

declare global {
  interface Window {
    /** Defined by config.js. */
    config?: unknown;
    parley?: ParleyDebug;
  }
}

function reload(): void {
  location.reload();
}

function start(root: HTMLElement): void {
  const room = parseRoomPath(location.pathname);
  if (room.title === '') {
    render(<Welcome onOpen={(address) => location.assign(address)} />, root);
    return;
  }
  document.title = `${room.title} – ${t.app}`;
  // Out of the address bar before anything else: screens are shared, links are copied.
  const url = new URL(location.href);
  const fresh = tokenFromUrl(url);
  const tab = readTabState(history.state);
  const token = fresh || tab.token;
  // A link opened again with a token of its own is a new visit, not a reload.
  writeTabState({ token, rejoin: fresh === '' && tab.rejoin, name: tab.name }, withoutToken(url));

  const config = decodeConfig(window.config);
  if (config === undefined) {
    render(<Trouble title={t.configTitle} text={t.configText} code="C02" action={t.reload} onAction={reload} />, root);
    return;
  }
  if (!('WebSocket' in window) || !('RTCPeerConnection' in window)) {
    render(<Trouble title={t.unsupportedTitle} text={t.unsupportedText} code="D16" action={t.reload} onAction={reload} />, root);
    return;
  }
  const visit = new Visit(config, room, token);
  window.parley = debugView(visit);
  render(<App visit={visit} />, root);
}

const root = document.getElementById('app');
if (root !== null) {
  start(root);
}
