// Credits used per day, against the balance and the next billing date.

import uPlot from "uplot";

import type { Spending, Spendings, Usage } from "./answers";
import { type Scope, useAsked } from "./ask";
import { Aged, Empty, Fact, Shown } from "./parts";
import { brief, date, number, plain } from "./words";

const { useEffect, useRef, useState } = React;

const DAY = 86400;
const PACE_DAYS = 7;

export function CreditsView({ scope }: { scope: Scope }): React.ReactElement {
  const asked = useAsked<Spendings>("spending", scope, 30);
  return (
    <Shown asked={asked} what="credits">
      {(answer) =>
        answer.credits.length + answer.usage.length === 0 ? (
          <Empty title="There is no connection to a service that charges." />
        ) : (
          <>
            {answer.credits.map((spending) => (
              <section key={spending.conn_id} className="twx-card">
                <div className="twx-between">
                  <strong>{spending.conn_id}</strong>
                  <Aged age={spending.age} problem={spending.problem} at={asked.at} />
                </div>
                {spending.problem && <p className="twx-problem">{spending.problem}</p>}
                <p>{outlook(spending)}</p>
                <Chart spending={spending} />
                <Days spending={spending} />
              </section>
            ))}
            {answer.usage.map((usage) => (
              <Used key={usage.conn_id} usage={usage} at={asked.at} />
            ))}
          </>
        )
      }
    </Shown>
  );
}

function Used({ usage, at }: { usage: Usage; at: number }): React.ReactElement {
  const used = Object.entries(usage.used);
  return (
    <section className="twx-card" aria-label={`Connection ${usage.conn_id}`}>
      <div className="twx-between">
        <span>
          <strong>{usage.conn_id}</strong> <span className="twx-faint">X Enterprise</span>
        </span>
        <Aged age={usage.age} problem={usage.problem} at={at} />
      </div>
      {usage.problem && <p className="twx-problem">{usage.problem}</p>}
      {usage.month && <p>Used in {usage.month}, as X counts it:</p>}
      {used.length > 0 && (
        <dl>
          {used.map(([name, value]) => (
            <Fact key={name} name={plain(name)} value={number(value)} />
          ))}
        </dl>
      )}
    </section>
  );
}

const seconds = (day: string): number => Date.parse(day) / 1000;

/** Return the credits a day of the last week. */
function pace(spending: Spending): number {
  return spending.days.slice(-PACE_DAYS).reduce((sum, it) => sum + it.used, 0) / PACE_DAYS;
}

function outlook(spending: Spending): string {
  const used = spending.days.reduce((sum, it) => sum + it.used, 0);
  const said = `${number(used)} credits used by the exports of the last ${spending.days.length} days.`;
  const { credits } = spending;
  if (!credits) return said;
  const left = `${said} ${number(credits.left)} are left`;
  const aDay = pace(spending);
  if (!credits.next_billing || aDay === 0) return `${left}.`;
  const daysToGo = (seconds(credits.next_billing) - Date.now() / 1000) / DAY;
  const then = credits.left - aDay * daysToGo;
  const at = `${number(Math.round(aDay))} a day, as in the last week`;
  if (then >= 0)
    return `${left}. At ${at}, about ${number(Math.round(then))} will be left at the next billing on ${date(credits.next_billing)}.`;
  const dry = new Date(Date.now() + (credits.left / aDay) * DAY * 1000).toISOString();
  return `${left}. At ${at}, they run out on ${date(dry)}, before the next billing on ${date(credits.next_billing)}.`;
}

/** Return times, used, balance, and the balance as it will be; the last two only within the billing period. */
function series(spending: Spending): uPlot.AlignedData {
  const times = spending.days.map((it) => seconds(it.day));
  const used: (number | null)[] = spending.days.map((it) => it.used);
  const balance: (number | null)[] = times.map(() => null);
  const ahead: (number | null)[] = times.map(() => null);
  const { credits } = spending;
  if (credits) {
    const billed = credits.next_billing ? previousMonth(credits.next_billing) : 0;
    let left = credits.left;
    for (let back = times.length - 1; back >= 0 && (times[back] ?? 0) >= billed; back -= 1) {
      balance[back] = left;
      left += spending.days[back]?.used ?? 0;
    }
    ahead[times.length - 1] = credits.left;
    const aDay = pace(spending);
    const end = credits.next_billing ? seconds(credits.next_billing) : 0;
    let will = credits.left;
    for (let at = (times.at(-1) ?? 0) + DAY; at <= end; at += DAY) {
      will = Math.max(0, will - aDay);
      times.push(at);
      used.push(null);
      balance.push(null);
      ahead.push(will);
    }
  }
  return [times, used, balance, ahead];
}

function previousMonth(billing: string): number {
  const moment = new Date(billing);
  moment.setUTCMonth(moment.getUTCMonth() - 1);
  return moment.getTime() / 1000;
}

function Chart({ spending }: { spending: Spending }): React.ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const [theme, setTheme] = useState(document.documentElement.className);
  useEffect(() => {
    const watch = new MutationObserver(() => setTheme(document.documentElement.className));
    watch.observe(document.documentElement, { attributeFilter: ["class"] });
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const place = box.current;
    if (!place) return undefined;
    const plot = new uPlot(options(place), series(spending), place);
    const resized = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 260 }));
    resized.observe(place);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [spending, theme]);
  return <div ref={box} className="twx-chart" role="img" aria-label={outlook(spending)} />;
}

function options(place: HTMLElement): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(place).getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--twx-muted"),
    grid: { stroke: colour("--twx-line"), width: 1 },
    ticks: { show: false },
  };
  const values = (_: uPlot, splits: number[]): string[] => splits.map(brief);
  const day = (text: number): string => date(new Date(text * 1000).toISOString());
  const isNarrow = place.clientWidth < 500;
  const scale = { values, size: isNarrow ? 40 : 56, labelSize: 18 };
  const told = (_: uPlot, value: number | null): string => (value === null ? "–" : number(Math.round(value)));
  return {
    width: place.clientWidth,
    height: 260,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
    scales: {
      // room for half a bar
      x: { range: (_, min, max) => [min - DAY / 2, max + DAY / 2] },
      used: { range: (_, __, max) => [0, Math.max(1, max) * 1.1] },
      left: { range: (_, __, max) => [0, Math.max(1, max) * 1.1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        values: (_, splits) => splits.map((at) => day(at).replace(/ \d+$/, "")),
        space: 50,
      },
      { ...axis, ...scale, scale: "used", label: isNarrow ? undefined : "used a day" },
      { ...axis, ...scale, scale: "left", side: 1, grid: { show: false }, label: isNarrow ? undefined : "left" },
    ],
    series: [
      { label: "Day", value: (_, at) => (at === null ? "–" : day(at)) },
      {
        label: "Used",
        scale: "used",
        fill: colour("--twx-used"),
        stroke: colour("--twx-used"),
        width: 0,
        paths: uPlot.paths.bars?.({ size: [0.7, 40] }),
        points: { show: false },
        value: told,
      },
      { label: "Left", scale: "left", stroke: colour("--twx-left"), width: 2, points: { show: false }, value: told },
      {
        label: "Left, at this pace",
        scale: "left",
        stroke: colour("--twx-left"),
        width: 2,
        dash: [4, 4],
        points: { show: false },
        value: told,
      },
    ],
  };
}

function Days({ spending }: { spending: Spending }): React.ReactElement {
  return (
    <details>
      <summary>As a table</summary>
      <table className="twx-table twx-plain">
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col" className="twx-number">
              Credits used
            </th>
          </tr>
        </thead>
        <tbody>
          {spending.days
            .filter((it) => it.used > 0)
            .map((it) => (
              <tr key={it.day}>
                <th scope="row">{date(it.day)}</th>
                <td className="twx-number">{number(it.used)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  );
}
