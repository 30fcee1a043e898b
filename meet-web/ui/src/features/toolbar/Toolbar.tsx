import { MessageSquare, Mic, MicOff, MonitorUp, MonitorX, PhoneOff, Settings, Users, Video, VideoOff } from 'lucide';
import type { JSX, Ref } from 'preact';
import { IconButton } from '../../components/Button';
import { t } from '../../lang';
import css from './Toolbar.module.css';

export type PanelName = 'chat' | 'people' | 'settings';

export interface ToolbarProps {
  readonly micOn: boolean;
  readonly cameraOn: boolean;
  /** The last try to open the device went wrong. */
  readonly micProblem: boolean;
  readonly cameraProblem: boolean;
  readonly sharing: boolean;
  readonly canShare: boolean;
  readonly unread: number;
  readonly people: number;
  readonly open: PanelName | undefined;
  readonly shortcuts: boolean;
  readonly chatButton: Ref<HTMLButtonElement>;
  readonly onMic: () => void;
  readonly onCamera: () => void;
  readonly onShare: () => void;
  readonly onPanel: (panel: PanelName) => void;
  readonly onLeave: () => void;
}

function badge(count: number): string {
  return count === 0 ? '' : count > 99 ? '99+' : String(count);
}

export function Toolbar(props: ToolbarProps): JSX.Element {
  const keys = (key: string): { keys?: string } => (props.shortcuts ? { keys: key } : {});
  return (
    <div class={css.bar} role="toolbar" aria-label={t.toolbar}>
      <IconButton
        icon={props.micOn ? Mic : MicOff}
        label={props.micOn ? t.mute : t.unmute}
        tone={props.micOn ? 'plain' : 'off'}
        pressed={!props.micOn}
        badge={props.micProblem ? '!' : ''}
        testId="toolbar-mic"
        {...keys('M')}
        onClick={props.onMic}
      />
      <IconButton
        icon={props.cameraOn ? Video : VideoOff}
        label={props.cameraOn ? t.cameraOff : t.cameraOn}
        tone={props.cameraOn ? 'plain' : 'off'}
        pressed={!props.cameraOn}
        badge={props.cameraProblem ? '!' : ''}
        testId="toolbar-camera"
        {...keys('V')}
        onClick={props.onCamera}
      />
      {props.canShare && (
        <IconButton
          icon={props.sharing ? MonitorX : MonitorUp}
          label={props.sharing ? t.unshare : t.share}
          tone={props.sharing ? 'active' : 'plain'}
          pressed={props.sharing}
          testId="toolbar-share"
          {...keys('D')}
          onClick={props.onShare}
        />
      )}
      <IconButton
        icon={MessageSquare}
        label={props.unread > 0 ? t.chatUnread(props.unread) : t.chat}
        tone={props.open === 'chat' ? 'active' : 'plain'}
        expanded={props.open === 'chat'}
        badge={badge(props.unread)}
        testId="toolbar-chat"
        buttonRef={props.chatButton}
        {...keys('C')}
        onClick={() => props.onPanel('chat')}
      />
      <IconButton
        icon={Users}
        label={t.people(props.people)}
        tone={props.open === 'people' ? 'active' : 'plain'}
        expanded={props.open === 'people'}
        badge={badge(props.people)}
        testId="toolbar-people"
        onClick={() => props.onPanel('people')}
      />
      <IconButton
        icon={Settings}
        label={t.settings}
        tone={props.open === 'settings' ? 'active' : 'plain'}
        expanded={props.open === 'settings'}
        testId="toolbar-settings"
        onClick={() => props.onPanel('settings')}
      />
      <IconButton icon={PhoneOff} label={t.leave} tone="danger" testId="toolbar-leave" onClick={props.onLeave} />
    </div>
  );
}
