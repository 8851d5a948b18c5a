// The latest landings, with what their manifests say.

import type { Landing, Landings, Parts } from "./answers";
import { type Scope, useAsked } from "./ask";
import { Aged, Empty, Flags, More, Shown, Uses } from "./parts";
import { count, days, number, size, TALKWALKER, time } from "./words";

const { Fragment, useState } = React;

const STEP = 50;

export function LandingsView({ scope, sought }: { scope: Scope; sought: string }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const [chosen, setChosen] = useState<string | undefined>();
  const asked = useAsked<Landings>("landings", { ...scope, limit: String(limit), manifest: sought }, 15);
  const open = chosen ?? asked.answer?.sought?.id;
  return (
    <Shown asked={asked} what="landings">
      {(answer) => (
        <>
          <p className="twx-between">
            <span className="twx-faint">{answer.places.join(", ")}</span>
            <Aged age={answer.age} problem={answer.problem} at={asked.at} />
          </p>
          {[answer.problem, ...answer.problems].map(
            (problem) =>
              problem && (
                <p key={problem} className="twx-problem">
                  {problem}
                </p>
              ),
          )}
          {sought && answer.age !== null && !answer.sought && (
            <p className="twx-problem" role="status">
              No landing is known here whose manifest is <code>{sought}</code>. It is outside of these places, or was not
              there yet when they were last seen.
            </p>
          )}
          {answer.rows.length === 0 && !answer.sought ? (
            <NoLanding answer={answer} />
          ) : (
            <>
              <table className="twx-table">
                <caption className="twx-sr">Landings, the newest first</caption>
                <thead>
                  <tr>
                    <th scope="col">Window</th>
                    <th scope="col" className="twx-wide">
                      What
                    </th>
                    <th scope="col" className="twx-number">
                      Results
                    </th>
                    <th scope="col" className="twx-number">
                      Size
                    </th>
                    <th scope="col">Landed</th>
                    <th scope="col">Used by</th>
                    <th scope="col">
                      <span className="twx-sr">Manifest</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {inOrder(answer).map((row) => (
                    <Fragment key={row.id}>
                      <Line
                        row={row}
                        isOpen={open === row.id}
                        onOpen={() => setChosen(open === row.id ? "" : row.id)}
                      />
                      {open === row.id && (
                        <tr className="twx-detail">
                          <td colSpan={7}>
                            <Manifest row={row} />
                          </td>
                        </tr>
                      )}
                    </Fragment>
                  ))}
                </tbody>
              </table>
              <More shown={answer.rows.length} total={answer.total} onMore={() => setLimit(limit + STEP)} />
            </>
          )}
        </>
      )}
    </Shown>
  );
}

/** Return the one that was sought first. */
function inOrder({ rows, sought }: Landings): Landing[] {
  return sought ? [sought, ...rows.filter((row) => row.id !== sought.id)] : rows;
}

function NoLanding({ answer }: { answer: Landings }): React.ReactElement {
  if (answer.age === null && !answer.problem) return <Empty title="Reading the manifests …" />;
  if (answer.places.length > 0) return <Empty title="Nothing has landed here yet." />;
  return (
    <Empty title="Nobody said where exports land.">
      Name the directories in the option landings of the section [twexport] of airflow.cfg, such as
      s3://lake_conn@lake/talkwalker, file:///lake.
    </Empty>
  );
}

function Line({ row, isOpen, onOpen }: { row: Landing; isOpen: boolean; onOpen: () => void }): React.ReactElement {
  const system = row.system === TALKWALKER ? null : row.system.replaceAll("_", " ");
  const what = [system, row.scope, ...row.topics, row.query].filter(Boolean).join(" · ");
  return (
    <tr>
      <th scope="row" data-label="Window">
        {row.window ? days(row.window) : "Window not known"}
        <Flags flags={row.flags} />
      </th>
      <td data-label="What" className="twx-wide">
        <div>{what || "Order not known"}</div>
        <div className="twx-faint twx-address">{row.address}</div>
      </td>
      <td data-label="Results" className="twx-number">
        {number(row.results)}
        {row.exported !== null && row.exported !== row.results && (
          <div className="twx-faint">of {number(row.exported)}</div>
        )}
        {row.requests !== null && <div className="twx-faint">{count(row.requests, "request")}</div>}
        {row.gaps !== null && <div className="twx-faint">{count(row.gaps, "gap")}</div>}
      </td>
      <td data-label="Size" className="twx-number">
        {size(row.bytes)}
      </td>
      <td data-label="Landed">{time(row.created)}</td>
      <td data-label="Used by">
        <Uses uses={row.uses} />
      </td>
      <td className="twx-actions">
        <button type="button" aria-expanded={isOpen} onClick={onOpen}>
          {number(row.parts)} {row.parts === 1 ? "part" : "parts"}
          <span aria-hidden="true">{isOpen ? " ▴" : " ▾"}</span>
        </button>
      </td>
    </tr>
  );
}

function Manifest({ row }: { row: Landing }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const asked = useAsked<Parts>(`landings/${row.id}`, { limit: String(limit) }, 60);
  return (
    <Shown asked={asked} what="parts">
      {(answer) => (
        <>
          <p>
            {row.file_format}; {number(row.duplicates_dropped)} repeated and {number(row.foreign_dropped)} foreign
            results left out
            {row.export_id && (
              <>
                ; export <code>{row.export_id}</code>
              </>
            )}
          </p>
          <table className="twx-table">
            <caption className="twx-sr">Parts</caption>
            <thead>
              <tr>
                <th scope="col">Part</th>
                <th scope="col" className="twx-number">
                  Results
                </th>
                <th scope="col" className="twx-number">
                  Size
                </th>
                <th scope="col" className="twx-wide">
                  SHA-256
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.rows.map((part) => (
                <tr key={part.name}>
                  <th scope="row" data-label="Part">
                    {part.name}
                  </th>
                  <td data-label="Results" className="twx-number">
                    {number(part.results)}
                    {part.coercion_failures > 0 && <div className="twx-faint">{number(part.coercion_failures)} coercion_failures</div>}
                  </td>
                  <td data-label="Size" className="twx-number">
                    {size(part.bytes)}
                  </td>
                  <td data-label="SHA-256" className="twx-wide">
                    <code className="twx-address">{part.sha256}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <More shown={answer.rows.length} total={answer.total} onMore={() => setLimit(limit + STEP)} />
        </>
      )}
    </Shown>
  );
}
