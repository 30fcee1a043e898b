import type { JSX } from 'preact';
import type { Conference } from '../conference/conference';
import { Left, Refused, Trouble } from '../features/closing/Closing';
import { Toasts } from '../features/notices/Notices';
import { Prejoin } from '../features/prejoin/Prejoin';
import { t } from '../lang';
import { DeviceError } from '../rtc/devices';
import { CallScreen } from './CallScreen';
import { problemText } from './visit';
import type { Visit } from './visit';

function PrejoinScreen({ visit }: { readonly visit: Visit }): JSX.Element {
  const { conference, local, speaking } = visit.stay.value;
  const phase = conference.phase.value.kind;
  const problems = [local.micProblem.value, local.cameraProblem.value].flatMap((p) => (p === undefined ? [] : [problemText(p)]));
  const devices = local.devices.value;
  return (
    <Prejoin
      room={visit.room.title}
      name={visit.name}
      micOn={local.micOn.value}
      cameraOn={local.cameraOn.value}
      micProblem={local.micProblem.value !== undefined}
      cameraProblem={local.cameraProblem.value !== undefined || local.micProblem.value?.code === 'D10'}
      camera={local.camera.value}
      hasMic={local.mic.value !== null}
      micLevel={speaking.level.value}
      microphones={devices.audio}
      cameras={devices.video}
      micId={local.micId.value}
      cameraId={local.cameraId.value}
      problems={problems}
      undecided={local.undecided.value}
      opening={local.opening.value}
      busy={conference.entering.value ? 'joining' : phase === 'connecting' ? 'connecting' : 'no'}
      shortcuts={visit.shortcuts.value}
      onJoin={(name, silent) => visit.join(name, silent)}
      onMic={(on) => void local.setMic(on)}
      onCamera={(on) => void local.setCamera(on)}
      onChooseMic={(id) => void local.selectMic(id)}
      onChooseCamera={(id) => void local.selectCamera(id)}
      onTryDevices={() => void local.openWanted()}
      onShortcuts={(on) => visit.setShortcuts(on)}
    />
  );
}

function shareFailed(visit: Visit, error: unknown): void {
  if (error instanceof DeviceError) {
    const { title, text, code } = problemText(error.problem);
    visit.toasts.add(`${title}. ${text}`, { code, urgent: true });
  } else {
    console.error('sharing', error);
  }
}

function Ended({ visit, phase }: { readonly visit: Visit; readonly phase: Extract<Conference['phase']['value'], { kind: 'ended' }> }): JSX.Element {
  switch (phase.why) {
    case 'destroyed':
      return <Left title={t.endedTitle} text={t.endedText(phase.reason)} code="C16" />;
    case 'banned':
      return <Left title={t.kickedTitle} text={t.kickedText(phase.by)} code="C18" />;
    case 'kicked':
      return <Left title={t.kickedTitle} text={t.kickedText(phase.by)} code="C18" onRejoin={() => visit.rejoin()} />;
  }
}

function Screen({ visit }: { readonly visit: Visit }): JSX.Element {
  const stay = visit.stay.value;
  const { conference } = stay;
  const phase = conference.phase.value;
  switch (phase.kind) {
    case 'joined':
      return (
        <CallScreen
          {...stay}
          room={visit.room.title}
          shortcuts={visit.shortcuts.value}
          onShortcuts={(on) => visit.setShortcuts(on)}
          onName={(name) => visit.rename(name)}
          onShareFailed={(error) => shareFailed(visit, error)}
          onPanel={() => visit.toasts.clear()}
          onLeave={() => visit.leave()}
        />
      );
    case 'refused':
      return (
        <Refused
          refusal={phase.refusal}
          room={visit.room.title}
          onRetry={() => visit.retry()}
          onOpenRoom={(room) => {
            location.assign(`${encodeURIComponent(room)}?jwt=${encodeURIComponent(visit.token)}`);
          }}
        />
      );
    case 'unreachable':
      return <Trouble title={t.unreachableTitle} text={t.unreachableText} code="C04" action={t.retryNow} onAction={() => conference.retryNow()} />;
    case 'left':
      return <Left title={t.leftTitle} text={t.leftText(visit.room.title)} onRejoin={() => visit.rejoin()} />;
    case 'ended':
      return <Ended visit={visit} phase={phase} />;
    case 'connecting':
    case 'ready':
    case 'joining':
      return <PrejoinScreen visit={visit} />;
  }
}

export function App({ visit }: { readonly visit: Visit }): JSX.Element {
  return (
    <>
      <Screen visit={visit} />
      <Toasts toasts={visit.toasts.list.value} onDismiss={(id) => visit.toasts.dismiss(id)} />
    </>
  );
}
