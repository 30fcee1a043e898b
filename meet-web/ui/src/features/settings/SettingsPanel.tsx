import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Button } from '../../components/Button';
import { DeviceSelect } from '../../components/Devices';
import type { Choice } from '../../components/Devices';
import { Panel } from '../../components/Panel';
import { t } from '../../lang';
import css from './SettingsPanel.module.css';

export interface SettingsPanelProps {
  readonly name: string;
  readonly microphones: readonly Choice[];
  readonly cameras: readonly Choice[];
  readonly micId: string;
  readonly cameraId: string;
  readonly shortcuts: boolean;
  readonly onName: (name: string) => void;
  readonly onChooseMic: (id: string) => void;
  readonly onChooseCamera: (id: string) => void;
  readonly onShortcuts: (on: boolean) => void;
  readonly onClose: () => void;
}

export function SettingsPanel(props: SettingsPanelProps): JSX.Element {
  const [name, setName] = useState(props.name);
  return (
    <Panel title={t.settings} testId="settings" onClose={props.onClose}>
      <div class={css.body}>
        <form
          class={css.name}
          onSubmit={(event) => {
            event.preventDefault();
            props.onName(name.trim());
          }}
        >
          <label class={css.field}>
            <span class={css.label}>{t.yourName}</span>
            <input class={css.input} type="text" maxLength={60} autocomplete="name" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <Button type="submit" disabled={name.trim() === props.name}>
            {t.save}
          </Button>
        </form>
        <DeviceSelect label={t.microphone} choices={props.microphones} chosen={props.micId} testId="settings-mic" onChoose={props.onChooseMic} />
        <DeviceSelect label={t.camera} choices={props.cameras} chosen={props.cameraId} testId="settings-camera" onChoose={props.onChooseCamera} />
        <label class={css.check}>
          <input type="checkbox" checked={props.shortcuts} onChange={(event) => props.onShortcuts(event.currentTarget.checked)} />
          <span>{t.shortcutsSwitch}</span>
        </label>
        <p class={css.note}>{t.shortcutsAlways}</p>
      </div>
    </Panel>
  );
}
