// What has landed, day by day: a square for each day, a colour for each state.

import type { Coverage, Track } from "./answers";
import { type Scope, useAsked } from "./ask";
import { Aged, Empty, Shown } from "./parts";
import { date, number } from "./words";

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
  const asked = useAsked<Coverage>("coverage", scope, 30);
  return (
    <Shown asked={asked} what="the calendar">
      {(answer) => (
        <>
          <p className="twx-between">
            <Legend />
            <Aged age={answer.age} problem={answer.problem} at={asked.at} />
          </p>
          {answer.tracks.length === 0 && (
            <Empty title={answer.places.length ? "Nothing has landed here yet." : "Nobody said where exports land."}>
              {answer.places.length === 0 &&
                "Name the directories in the option landings of the section [twexport] of airflow.cfg."}
            </Empty>
          )}
          {answer.tracks.map((track) => (
            <Calendar key={`${track.scope} ${track.topic} ${track.query}`} track={track} />
          ))}
        </>
      )}
    </Shown>
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

function Calendar({ track }: { track: Track }): React.ReactElement {
  const first = Date.parse(track.first);
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // the latest days are at the end
    if (scroller.current) scroller.current.scrollLeft = scroller.current.scrollWidth;
  }, [track.first]);
  const twice = new Set(track.bought_twice);
  const squares = [...track.states].map((letter, index) => {
    const at = first + index * DAY;
    const place = Math.round((at - monday) / DAY);
    const day = date(new Date(at).toISOString());
    return { letter, at, day, index, x: LEFT + Math.floor(place / 7) * SQUARE, y: TOP + (place % 7) * SQUARE };
  });
  const width = (squares.at(-1)?.x ?? LEFT) + SQUARE + 40;
  const span = [squares[0]?.day, squares.at(-1)?.day].join(" – ");
  const name = [track.scope, track.topic === "*" ? "" : track.topic, track.query].filter(Boolean).join(" · ");
  const said = Object.entries(track.counts)
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
        {span}; days: {said}
      </p>
      <div ref={scroller} className="twx-scroll" tabIndex={0} role="group" aria-label={`Calendar of ${name}`}>
        <svg width={width} height={TOP + 7 * SQUARE + 2} role="img" aria-label={`${name}. ${span}; days: ${said}.`}>
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
                  {`${day}: ${NAMES[letter] ?? letter}, about ${number(track.results[index] ?? 0)} results` +
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
