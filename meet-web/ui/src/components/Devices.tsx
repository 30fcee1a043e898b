import type { JSX } from 'preact';
import { t } from '../lang';
import css from './Devices.module.css';

export interface Choice {
  readonly deviceId: string;
  readonly label: string;
}

export interface DeviceSelectProps {
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly chosen: string;
  readonly testId: string;
  readonly onChoose: (deviceId: string) => void;
}

export function DeviceSelect({ label, choices, chosen, testId, onChoose }: DeviceSelectProps): JSX.Element {
  const known = choices.some((c) => c.deviceId === chosen);
  return (
    <label class={css.field}>
      <span class={css.label}>{label}</span>
      <select
        class={css.select}
        value={known ? chosen : (choices[0]?.deviceId ?? '')}
        disabled={choices.length === 0}
        data-testid={testId}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {choices.length === 0 && <option value="">{t.defaultDevice}</option>}
        {choices.map((c, index) => (
          <option key={c.deviceId} value={c.deviceId}>
            {c.label === '' ? t.unnamedDevice(index + 1) : c.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A bar for the eye; its value is no news worth reading aloud. */
export function LevelBar({ level }: { readonly level: number }): JSX.Element {
  return (
    <div class={css.meter} role="meter" aria-label={t.micLevel} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(level * 100)}>
      <div class={css.fill} style={{ transform: `scaleX(${level})` }} />
    </div>
  );
}

export interface ProblemProps {
  readonly title: string;
  readonly text: string;
  readonly code: string;
}

export function DeviceProblemNote({ title, text, code }: ProblemProps): JSX.Element {
  return (
    <p class={css.problem} role="status" data-testid="device-problem" data-code={code}>
      <strong>{title}.</strong> {text} <span class={css.code}>{code}</span>
    </p>
  );
}
