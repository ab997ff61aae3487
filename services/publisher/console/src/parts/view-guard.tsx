/** @jsxRuntime automatic */
/** @jsxImportSource preact */
/**
 * Catches an error that a view throws while it is drawn, so that header, navigation and the other views still work.
 *
 * Invariants:
 *  VIEW_GUARD-1. An error is logged, and shown until another view is opened or the user tries again.
 */
import { Component, type ComponentChildren } from "preact";

interface Props {
  /** The view's name; another view starts without the error. */
  readonly view: string;
  readonly words: { readonly title: string; readonly text: string; readonly again: string };
  readonly children: ComponentChildren;
}

interface State {
  readonly fault: string | null;
  readonly view: string;
}

export class ViewGuard extends Component<Props, State> {
  override state: State = { fault: null, view: this.props.view };

  static override getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.view === state.view ? null : { fault: null, view: props.view };
  }

  override componentDidCatch(error: unknown): void {
    // VIEW_GUARD-1: with its stack in the browser's log.
    reportError(error);
    this.setState({ fault: error instanceof Error ? error.message : String(error) });
  }

  override render() {
    const { fault } = this.state;
    const { words } = this.props;
    if (fault === null) return this.props.children;
    return (
      <section class="card" role="alert">
        <h1>{words.title}</h1>
        <p>{words.text}</p>
        <pre>{fault}</pre>
        <button type="button" onClick={() => this.setState({ fault: null })}>
          {words.again}
        </button>
      </section>
    );
  }
}
