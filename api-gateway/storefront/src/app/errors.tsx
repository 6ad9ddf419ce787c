import { useTranslation } from 'react-i18next'
import { useRouteError } from 'react-router'
import { ErrorNotice } from '../ui/notice'
import { Page } from '../ui/page'

/** What is shown in place of a page that failed, for example because a new version replaced its files. */
export function RouteError() {
  const { t } = useTranslation()
  return (
    <Page title={t('errors.title')}>
      <ErrorNotice error={useRouteError()} retry={() => location.reload()} />
    </Page>
  )
}
