// What has landed, day by day: a square for each day, a colour for each state.

import { Age, Empty, Loaded } from "./components";
import { date, number } from "./format";
import { type Scope, usePolling } from "./requests";
import type { Coverage, Series } from "./responses";

const { useEffect, useRef } = React;

const SQUARE = 13;
const LEFT = 30;
const TOP = 18;
const DAY = 86400000;
const NAMES: Record<string, string> = {
  l: "landed",
  t: "truncated",
  p: "partial",
  u: "bought, not landed",
  m: "missing",
};

export function CoverageView({ scope }: { scope: Scope }): React.ReactElement {
  const polled = usePolling<Coverage>("coverage", scope, 30);
  return (
    <Loaded polled={polled} what="the calendar">
      {(data) => (
        <>
          <p className="twx-between">
            <Legend />
            <Age age={data.age} problem={data.problem} at={polled.at} />
          </p>
          {data.series.length === 0 && (
            <Empty title={data.directories.length ? "Nothing has landed here yet." : "This page does not know where exports land."}>
              {data.directories.length === 0 &&
                "List the directories in the option landings of the section [twexport] of airflow.cfg."}
            </Empty>
          )}
          {data.series.map((series) => (
            <Calendar key={`${series.scope} ${series.topic} ${series.query}`} series={series} />
          ))}
        </>
      )}
    </Loaded>
  );
}

function Legend(): React.ReactElement {
  return (
    <span className="twx-legend">
      {Object.entries(NAMES).map(([letter, name]) => (
        <span key={letter}>
          <svg width="12" height="12" aria-hidden="true">
            <rect className={`twx-day-${letter}`} width="12" height="12" rx="2" />
          </svg>
          {name}
        </span>
      ))}
      <span>
        <svg width="12" height="12" aria-hidden="true">
          <circle className="twx-twice" cx="6" cy="6" r="3" />
        </svg>
        bought twice
      </span>
    </span>
  );
}

function Calendar({ series }: { series: Series }): React.ReactElement {
  const first = Date.parse(series.first);
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // the latest days are at the end
    if (scroller.current) scroller.current.scrollLeft = scroller.current.scrollWidth;
  }, [series.first]);
  const twice = new Set(series.bought_twice);
  const squares = [...series.states].map((letter, index) => {
    const at = first + index * DAY;
    const offset = Math.round((at - monday) / DAY);
    const day = date(new Date(at).toISOString());
    return { letter, at, day, index, x: LEFT + Math.floor(offset / 7) * SQUARE, y: TOP + (offset % 7) * SQUARE };
  });
  const width = (squares.at(-1)?.x ?? LEFT) + SQUARE + 40;
  const range = [squares[0]?.day, squares.at(-1)?.day].join(" – ");
  const name = [series.scope, series.topic === "*" ? "" : series.topic, series.query].filter(Boolean).join(" · ");
  const counted = Object.entries(series.counts)
    .filter(([, count]) => count > 0)
    .map(
      ([state, count]) =>
        `${number(count)} ${state === "bought_twice" ? "bought twice" : (NAMES[state.charAt(0)] ?? state)}`,
    )
    .join(", ");
  return (
    <section className="twx-card">
      <strong>{name}</strong>
      <p className="twx-faint">
        {range}; days: {counted}
      </p>
      <div ref={scroller} className="twx-scroll" tabIndex={0} role="group" aria-label={`Calendar of ${name}`}>
        <svg width={width} height={TOP + 7 * SQUARE + 2} role="img" aria-label={`${name}. ${range}; days: ${counted}.`}>
          {["Mon", "Wed", "Fri"].map((day, row) => (
            <text key={day} x={0} y={TOP + (row * 2 + 1) * SQUARE - 3}>
              {day}
            </text>
          ))}
          {squares
            .filter(
              ({ at, index }) => new Date(at).getUTCDate() === 1 || (index === 0 && new Date(at).getUTCDate() < 22),
            )
            .map(({ at, x }) => (
              <text key={at} x={x} y={TOP - 6}>
                {new Date(at).toLocaleString("en", { month: "short", timeZone: "UTC" })}
                {new Date(at).getUTCMonth() === 0 ? ` ${new Date(at).getUTCFullYear()}` : ""}
              </text>
            ))}
          {squares.map(({ letter, at, day, index, x, y }) => (
            <g key={at}>
              <rect className={`twx-day-${letter}`} x={x} y={y} width={SQUARE - 2} height={SQUARE - 2} rx="2">
                <title>
                  {`${day}: ${NAMES[letter] ?? letter}, about ${number(series.results[index] ?? 0)} results` +
                    (twice.has(index) ? ", bought twice" : "")}
                </title>
              </rect>
              {twice.has(index) && <circle className="twx-twice" cx={x + 5.5} cy={y + 5.5} r="2.5" />}
            </g>
          ))}
        </svg>
      </div>
    </section>
  );
}
