// Credits used per day, the balance and the next billing date; and what was used of a contract.

import uPlot from "uplot";

import { Age, Empty, Fact, Loaded } from "./components";
import { asWords, date, number, shortNumber } from "./format";
import { type Scope, usePolling } from "./requests";
import type { DailyCredits, Spending, Usage, UsageDay } from "./responses";

const { useEffect, useRef, useState } = React;

const DAY = 86400;
const PACE_DAYS = 7;

export function CreditsView({ scope }: { scope: Scope }): React.ReactElement {
  const polled = usePolling<Spending>("spending", scope, 30);
  return (
    <Loaded polled={polled} what="credits">
      {(data) =>
        data.credits.length + data.usage.length === 0 ? (
          <Empty title="No connection to a service that charges." />
        ) : (
          <>
            {data.credits.map((account) => (
              <section key={account.conn_id} className="twx-card">
                <div className="twx-between">
                  <strong>{account.conn_id}</strong>
                  <Age age={account.age} problem={account.problem} at={polled.at} />
                </div>
                {account.problem && <p className="twx-problem">{account.problem}</p>}
                <p>{outlook(account)}</p>
                <Chart account={account} />
                <Days account={account} />
              </section>
            ))}
            {data.usage.map((usage) => (
              <UsageCard key={usage.conn_id} usage={usage} at={polled.at} />
            ))}
          </>
        )
      }
    </Loaded>
  );
}

function UsageCard({ usage, at }: { usage: Usage; at: number }): React.ReactElement {
  const used = Object.entries(usage.used);
  return (
    <section className="twx-card" aria-label={`Connection ${usage.conn_id}`}>
      <div className="twx-between">
        <span>
          <strong>{usage.conn_id}</strong> <span className="twx-faint">{usage.service}</span>
        </span>
        <Age age={usage.age} problem={usage.problem} at={at} />
      </div>
      {usage.problem && <p className="twx-problem">{usage.problem}</p>}
      {usage.month && <p>Used in {usage.month}, as the service counts it:</p>}
      {used.length > 0 && (
        <dl>
          {used.map(([name, value]) => (
            <Fact key={name} name={asWords(name)} value={number(value)} />
          ))}
        </dl>
      )}
      {usage.days.length > 0 && (
        <>
          <UsageTable rows={ofProducts(usage.days)} />
          <details>
            <summary>By day</summary>
            <UsageTable rows={usage.days} hasDays />
          </details>
        </>
      )}
    </section>
  );
}

/** Return the sum of all days of each product. */
function ofProducts(days: UsageDay[]): UsageDay[] {
  const sums = new Map<string, UsageDay>();
  for (const it of days) {
    const sum = sums.get(it.product);
    const both = sum && { ...sum, requests: sum.requests + it.requests, posts: sum.posts + it.posts };
    sums.set(it.product, both ?? it);
  }
  return [...sums.values()];
}

function UsageTable({ rows, hasDays = false }: { rows: UsageDay[]; hasDays?: boolean }): React.ReactElement {
  return (
    <table className="twx-table twx-plain">
      <thead>
        <tr>
          {hasDays && <th scope="col">Day</th>}
          <th scope="col">Product</th>
          <th scope="col" className="twx-number">
            Requests
          </th>
          <th scope="col" className="twx-number">
            Posts
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((it, index) => (
          <tr key={index}>
            {hasDays && <th scope="row">{date(it.day)}</th>}
            {hasDays ? <td>{it.product}</td> : <th scope="row">{it.product}</th>}
            <td className="twx-number">{number(it.requests)}</td>
            <td className="twx-number">{number(it.posts)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const seconds = (day: string): number => Date.parse(day) / 1000;

/** Return the credits per day of the last week. */
function pace(account: DailyCredits): number {
  return account.days.slice(-PACE_DAYS).reduce((sum, it) => sum + it.used, 0) / PACE_DAYS;
}

function outlook(account: DailyCredits): string {
  const used = account.days.reduce((sum, it) => sum + it.used, 0);
  const summary = `${number(used)} credits used by the exports of the last ${account.days.length} days.`;
  const { credits } = account;
  if (!credits) return summary;
  if (credits.remaining === null) return `${summary} Credits left: ${credits.left}.`;
  const left = `${summary} ${number(credits.remaining)} are left`;
  const aDay = pace(account);
  if (!credits.next_billing_period || aDay === 0) return `${left}.`;
  const daysToGo = (seconds(credits.next_billing_period) - Date.now() / 1000) / DAY;
  const then = credits.remaining - aDay * daysToGo;
  const at = `${number(Math.round(aDay))} a day, as in the last week`;
  if (then >= 0)
    return `${left}. At ${at}, about ${number(Math.round(then))} will be left at the next billing on ${date(credits.next_billing_period)}.`;
  const emptyAt = new Date(Date.now() + (credits.remaining / aDay) * DAY * 1000).toISOString();
  return `${left}. At ${at}, they run out on ${date(emptyAt)}, before the next billing on ${date(credits.next_billing_period)}.`;
}

/** Return times, used, balance, and expected balance; the last two only within the billing period. */
function series(account: DailyCredits): uPlot.AlignedData {
  const times = account.days.map((it) => seconds(it.day));
  const used: (number | null)[] = account.days.map((it) => it.used);
  const balance: (number | null)[] = times.map(() => null);
  const forecast: (number | null)[] = times.map(() => null);
  const { credits } = account;
  if (credits && credits.remaining !== null) {
    const billed = credits.next_billing_period ? previousMonth(credits.next_billing_period) : 0;
    let left = credits.remaining;
    for (let back = times.length - 1; back >= 0 && (times[back] ?? 0) >= billed; back -= 1) {
      balance[back] = left;
      left += account.days[back]?.used ?? 0;
    }
    forecast[times.length - 1] = credits.remaining;
    const aDay = pace(account);
    const end = credits.next_billing_period ? seconds(credits.next_billing_period) : 0;
    let expected = credits.remaining;
    for (let at = (times.at(-1) ?? 0) + DAY; at <= end; at += DAY) {
      expected = Math.max(0, expected - aDay);
      times.push(at);
      used.push(null);
      balance.push(null);
      forecast.push(expected);
    }
  }
  return [times, used, balance, forecast];
}

function previousMonth(billing: string): number {
  const moment = new Date(billing);
  moment.setUTCMonth(moment.getUTCMonth() - 1);
  return moment.getTime() / 1000;
}

function Chart({ account }: { account: DailyCredits }): React.ReactElement {
  const container = useRef<HTMLDivElement>(null);
  const [theme, setTheme] = useState(document.documentElement.className);
  useEffect(() => {
    const watch = new MutationObserver(() => setTheme(document.documentElement.className));
    watch.observe(document.documentElement, { attributeFilter: ["class"] });
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const element = container.current;
    if (!element) return undefined;
    const plot = new uPlot(options(element), series(account), element);
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 260 }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [account, theme]);
  return <div ref={container} className="twx-chart" role="img" aria-label={outlook(account)} />;
}

function options(element: HTMLElement): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--twx-muted"),
    grid: { stroke: colour("--twx-line"), width: 1 },
    ticks: { show: false },
  };
  const values = (_: uPlot, splits: number[]): string[] => splits.map(shortNumber);
  const day = (text: number): string => date(new Date(text * 1000).toISOString());
  const isNarrow = element.clientWidth < 500;
  const scale = { values, size: isNarrow ? 40 : 56, labelSize: 18 };
  const valueText = (_: uPlot, value: number | null): string => (value === null ? "–" : number(Math.round(value)));
  return {
    width: element.clientWidth,
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
        value: valueText,
      },
      { label: "Left", scale: "left", stroke: colour("--twx-left"), width: 2, points: { show: false }, value: valueText },
      {
        label: "Left, at this pace",
        scale: "left",
        stroke: colour("--twx-left"),
        width: 2,
        dash: [4, 4],
        points: { show: false },
        value: valueText,
      },
    ],
  };
}

function Days({ account }: { account: DailyCredits }): React.ReactElement {
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
          {account.days
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
