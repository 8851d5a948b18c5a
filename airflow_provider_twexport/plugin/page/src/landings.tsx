// The latest landings, with what their manifests say.

import { Age, Empty, Flags, Loaded, More, Runs } from "./components";
import { count, days, number, size, time } from "./format";
import { type Scope, usePolling } from "./requests";
import type { Landing, Landings, Part, Parts } from "./responses";

const { Fragment, useState } = React;

const STEP = 50;

export function LandingsView({ scope, manifest }: { scope: Scope; manifest: string }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const [opened, setOpened] = useState<string | undefined>();
  const polled = usePolling<Landings>("landings", { ...scope, limit: String(limit), manifest }, 15);
  const open = opened ?? polled.data?.selected?.id;
  return (
    <Loaded polled={polled} what="landings">
      {(data) => (
        <>
          <p className="twx-between">
            <span className="twx-faint">{data.directories.join(", ")}</span>
            <Age age={data.age} problem={data.problem} at={polled.at} />
          </p>
          {[data.problem, ...data.problems].map(
            (problem) =>
              problem && (
                <p key={problem} className="twx-problem">
                  {problem}
                </p>
              ),
          )}
          {manifest && data.age !== null && !data.selected && (
            <p className="twx-problem" role="status">
              No landing is known here whose manifest is <code>{manifest}</code>. It is outside these directories, or was
              written after they were last read.
            </p>
          )}
          {data.rows.length === 0 && !data.selected ? (
            <NoLanding data={data} />
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
                  {inOrder(data).map((row) => (
                    <Fragment key={row.id}>
                      <LandingRow
                        row={row}
                        isOpen={open === row.id}
                        onOpen={() => setOpened(open === row.id ? "" : row.id)}
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
              <More shown={data.rows.length} total={data.total} onMore={() => setLimit(limit + STEP)} />
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

/** Return the selected landing first. */
function inOrder({ rows, selected }: Landings): Landing[] {
  return selected ? [selected, ...rows.filter((row) => row.id !== selected.id)] : rows;
}

function NoLanding({ data }: { data: Landings }): React.ReactElement {
  if (data.age === null && !data.problem) return <Empty title="Loading the manifests …" />;
  if (data.directories.length > 0) return <Empty title="Nothing has landed here yet." />;
  return (
    <Empty title="This page does not know where exports land.">
      List the directories in the option landings of the section [twexport] of airflow.cfg, such as
      s3://lake_conn@lake/exports, file:///lake.
    </Empty>
  );
}

function LandingRow({ row, isOpen, onOpen }: { row: Landing; isOpen: boolean; onOpen: () => void }): React.ReactElement {
  const system = row.system?.replaceAll("_", " ");
  const what = [system, row.scope, ...row.topics, row.query].filter(Boolean).join(" · ");
  return (
    <tr>
      <th scope="row" data-label="Window">
        {row.window ? days(row.window) : "Unknown window"}
        <Flags flags={row.flags} />
      </th>
      <td data-label="What" className="twx-wide">
        <div>{what || "Unknown order"}</div>
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
      <td data-label="Landed">{time(row.created_at)}</td>
      <td data-label="Used by">
        <Runs runs={row.used_by} />
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

const failures = (part: Part): number => Object.values(part.coercion_failures).reduce((sum, it) => sum + it, 0);

function Manifest({ row }: { row: Landing }): React.ReactElement {
  const [limit, setLimit] = useState(STEP);
  const polled = usePolling<Parts>(`landings/${row.id}`, { limit: String(limit) }, 60);
  return (
    <Loaded polled={polled} what="parts">
      {(data) => (
        <>
          <p>
            {row.file_format}; {count(row.duplicates_dropped, "duplicate")} and {number(row.foreign_dropped)} results of
            other exports dropped
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
              {data.rows.map((part) => (
                <tr key={part.name}>
                  <th scope="row" data-label="Part">
                    {part.name}
                  </th>
                  <td data-label="Results" className="twx-number">
                    {number(part.results)}
                    {failures(part) > 0 && (
                      <div className="twx-faint">{count(failures(part), "coercion failure")}</div>
                    )}
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
          <More shown={data.rows.length} total={data.total} onMore={() => setLimit(limit + STEP)} />
        </>
      )}
    </Loaded>
  );
}
