import * as appengine from "@pulumi/gcp/appengine/index.js";
import * as firestore from "@pulumi/gcp/firestore/index.js";
import * as pulumi from "@pulumi/pulumi";
import { childOf } from "./lib/options.ts";

export interface AppEngineApplicationArgs {
  /** The project's id; a project has one application. */
  readonly project: string;
  /**
   * The application's location, e.g. `us-central` or `europe-west3`. It can never be changed: a
   * preview with another one fails.
   */
  readonly location: string;
  /** The database's location, e.g. `nam5`. A change replaces the database, which is protected. */
  readonly databaseLocation: string;
  /** Refuses to delete or replace the application and the database. Turn it off in one `up`, delete in the next. */
  readonly protect: boolean;
  /**
   * What exists already and is taken over instead of created. A project's application cannot be made
   * twice, and in some projects it came with its database.
   * @default nothing
   */
  readonly adopt?: { readonly application?: boolean; readonly database?: boolean };
}

/** The App Engine application of the project and its database, Firestore in Datastore mode. */
export class AppEngineApplication extends pulumi.ComponentResource {
  /**
   * The host name of the default service, e.g. `my-project.uc.r.appspot.com`. It has a region's code in
   * it that cannot be derived from the project's name.
   */
  readonly defaultHostname: pulumi.Output<string>;
  /** The address of the default service. */
  readonly url: pulumi.Output<string>;
  /** The same for websockets. */
  readonly websocketUrl: pulumi.Output<string>;

  constructor(
    name: string,
    args: AppEngineApplicationArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("appengine-realtime:app:AppEngineApplication", name, {}, opts);
    const { project, protect } = args;

    const application = new appengine.Application(
      `${name}-application`,
      {
        project,
        locationId: args.location,
        databaseType: "CLOUD_DATASTORE_COMPATIBILITY",
        // Flexible services have a liveness and a readiness check, and not one for both.
        featureSettings: { splitHealthChecks: true },
      },
      childOf(this, opts, {
        protect,
        ...(args.adopt?.application ? { import: project } : {}),
      }),
    );

    new firestore.Database(
      `${name}-database`,
      {
        project,
        name: "(default)",
        locationId: args.databaseLocation,
        type: "DATASTORE_MODE",
        concurrencyMode: "OPTIMISTIC",
        // The cloud's own guard holds where Pulumi's does not: in the console and for gcloud.
        deleteProtectionState: protect ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED",
        // The default abandons the database silently; `protect` says better that it must stay.
        deletionPolicy: protect ? "PREVENT" : "DELETE",
      },
      childOf(this, opts, {
        protect,
        // The application comes first, for it is what may bring a database along.
        dependsOn: [application],
        ...(args.adopt?.database ? { import: `projects/${project}/databases/(default)` } : {}),
      }),
    );

    this.defaultHostname = application.defaultHostname;
    // App Engine's host names have no port; a stand-in on one machine has one, and no certificate.
    const secure = this.defaultHostname.apply((host) => (host.includes(":") ? "" : "s"));
    this.url = pulumi.interpolate`http${secure}://${this.defaultHostname}`;
    this.websocketUrl = pulumi.interpolate`ws${secure}://${this.defaultHostname}`;
    this.registerOutputs({
      defaultHostname: this.defaultHostname,
      url: this.url,
      websocketUrl: this.websocketUrl,
    });
  }
}
