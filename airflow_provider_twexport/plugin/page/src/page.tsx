// The page: everything in Airflow's navigation; in a tab of a DAG, a run or a task instance what belongs there.

import uplot from "uplot/dist/uPlot.min.css";

import { CollectorsView } from "./collectors";
import { CoverageView } from "./coverage";
import { CreditsView } from "./credits";
import { ExportsView } from "./exports";
import { LandingsView } from "./landings";
import style from "./page.css";
import type { Scope } from "./requests";

const { useId, useRef, useState } = React;

interface Location {
  dagId?: string;
  runId?: string;
  taskId?: string;
  mapIndex?: string;
}

const VIEWS = ["Exports", "Collectors", "Landings", "Credits", "Coverage"] as const;
type View = (typeof VIEWS)[number];

function Page({ dagId, runId, taskId, mapIndex }: Location): React.ReactElement {
  const query = new URLSearchParams(window.location.search);
  const [view, setView] = useState<View>(VIEWS.find((it) => it.toLowerCase() === query.get("view")) ?? "Exports");
  const id = useId();
  const scope: Scope = {};
  if (dagId) scope.dag_id = dagId;
  if (dagId && runId) scope.run_id = runId;
  if (dagId && runId && taskId) scope.task_id = taskId;
  if (dagId && runId && taskId && mapIndex) scope.map_index = mapIndex;
  return (
    <section className="twx-page" aria-label="Exports">
      <style>{uplot + style}</style>
      {!dagId && <h1>Exports</h1>}
      <Tabs id={id} view={view} onView={setView} />
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${view}`}>
        {view === "Exports" && <ExportsView scope={scope} exportId={query.get("export_id") ?? ""} />}
        {view === "Collectors" && <CollectorsView scope={scope} />}
        {view === "Landings" && <LandingsView scope={scope} manifest={query.get("manifest") ?? ""} />}
        {view === "Credits" && <CreditsView scope={scope} />}
        {view === "Coverage" && <CoverageView scope={scope} />}
      </div>
    </section>
  );
}

function Tabs({ id, view, onView }: { id: string; view: View; onView: (view: View) => void }): React.ReactElement {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: React.KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = VIEWS[(VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length] ?? view;
    onView(next);
    list.current?.querySelector<HTMLButtonElement>(`[data-view="${next}"]`)?.focus();
  };
  return (
    <div ref={list} className="twx-tabs" role="tablist" aria-label="Views" onKeyDown={move}>
      {VIEWS.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`${id}-${name}`}
          data-view={name}
          aria-selected={name === view}
          aria-controls={`${id}-panel`}
          tabIndex={name === view ? 0 : -1}
          onClick={() => onView(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

// Airflow finds the component by the name of the plugin's entry
Reflect.set(globalThis, "Exports", Page);
