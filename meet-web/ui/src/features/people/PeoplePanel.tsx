import { MessageSquareText, Mic, MicOff, Shield, Video, VideoOff } from 'lucide';
import type { JSX } from 'preact';
import { Icon } from '../../components/Icon';
import { Panel } from '../../components/Panel';
import type { Participant } from '../../conference/participants';
import { t } from '../../lang';
import css from './PeoplePanel.module.css';

export interface PeoplePanelProps {
  readonly people: readonly Participant[];
  readonly onClose: () => void;
}

function states(person: Participant): string {
  const words = [];
  if (person.moderator) {
    words.push(t.moderatorMark);
  }
  if (!person.hasMedia) {
    words.push(t.noMediaLong);
  } else {
    if (person.audioMuted) {
      words.push(t.micMuted);
    }
    if (person.videoMuted) {
      words.push(t.cameraOffMark);
    }
  }
  return words.join(', ');
}

export function PeoplePanel({ people, onClose }: PeoplePanelProps): JSX.Element {
  return (
    <Panel title={t.peopleHeading} testId="people" onClose={onClose}>
      <ul class={css.list}>
        {people.map((p) => (
          <li key={p.id} class={css.person} data-testid="person" data-name={p.name}>
            <span class={css.name}>{p.local ? t.namedYou(p.name) : p.name === '' ? t.someone : p.name}</span>
            <span class="sr-only">{states(p)}</span>
            <span class={css.marks} aria-hidden="true">
              {p.moderator && <Icon icon={Shield} size={17} />}
              {p.hasMedia ? (
                <>
                  <Icon icon={p.audioMuted ? MicOff : Mic} size={17} />
                  <Icon icon={p.videoMuted ? VideoOff : Video} size={17} />
                </>
              ) : (
                <Icon icon={MessageSquareText} size={17} />
              )}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
